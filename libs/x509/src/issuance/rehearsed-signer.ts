import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { Problem } from '@sallyport/protocol';
import { type Certificate, certificateFrom, readCertificate, type TbsCertificate } from '../certificate.js';
import { bitString, sequence } from '../der/writer.js';
import { lintCertificate } from '../lint/lint.js';
import { signerFor, type TbsSigner } from '../signature.js';

/** A newly signed certificate. */
export interface SignedCertificate {
  readonly der: Buffer;
  readonly certificate: Certificate;
}

/**
 * Signs certificates. It first lints each certificate with the signature of a throwaway key. So the CA key never signs
 * anything that breaks a rule.
 *
 * The linter checks the form and never verifies the signature. So the constructor makes one throwaway signature with
 * the right algorithm, and all rehearsals use it. A new signature for each would cost a third of the rate, and the
 * linter would learn nothing from it.
 */
export class RehearsedSigner {
  private readonly signer: TbsSigner;
  private readonly throwawaySignature: Buffer;

  /** @throws Problem `invalid-request`: this is not a private key that we can sign with. */
  constructor(privateKey: KeyObject) {
    this.signer = signerFor(privateKey);
    this.throwawaySignature = bitString(signerFor(throwawayKeyLike(privateKey)).sign(Buffer.alloc(0)));
  }

  /** AlgorithmIdentifier for the structure that will be signed. */
  get algorithmIdentifier(): Buffer {
    return this.signer.algorithmIdentifier;
  }

  /**
   * Rehearses, lints, signs.
   *
   * @param issuer  the certificate of the signing key; absent when the certificate signs itself.
   * @throws Problem `csr-rejected`: the certificate would break a rule; nothing was signed.
   */
  certify(tbsCertificate: Buffer, issuer?: Certificate): SignedCertificate {
    const { algorithmIdentifier } = this.signer;
    const { tbs } = readCertificate(sequence(tbsCertificate, algorithmIdentifier, this.throwawaySignature));
    refuseFaults(tbs, issuer);
    const signature = this.signer.sign(tbsCertificate);
    const der = sequence(tbsCertificate, algorithmIdentifier, bitString(signature));
    return { der, certificate: certificateFrom(der, tbs, signature) };
  }
}

function refuseFaults(rehearsal: TbsCertificate, issuer: Certificate | undefined): void {
  const faults = lintCertificate(rehearsal, issuer).filter(({ severity }) => severity === 'error');
  if (faults.length === 0) return;
  throw new Problem(
    'csr-rejected',
    `Nothing was signed, because the certificate ${faults.map(({ text }) => text).join('; it ')}.`,
    { extensions: { rules: faults.map(({ rule }) => rule) } },
  );
}

/** The linter ignores the size of an RSA signature, and larger keys take seconds to make. */
const throwawayRsaBits = 2048;

function throwawayKeyLike({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): KeyObject {
  if (asymmetricKeyType === 'ed25519') return generateKeyPairSync('ed25519').privateKey;
  if (asymmetricKeyType === 'rsa') return generateKeyPairSync('rsa', { modulusLength: throwawayRsaBits }).privateKey;
  return generateKeyPairSync('ec', { namedCurve: asymmetricKeyDetails?.namedCurve ?? '' }).privateKey;
}
