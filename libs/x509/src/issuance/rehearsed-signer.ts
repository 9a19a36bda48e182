import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { Problem } from '@sallyport/protocol';
import { type Certificate, certificateFrom, readCertificate, type TbsCertificate } from '../certificate.js';
import { bitString, sequence } from '../der/writer.js';
import { lintCertificate } from '../lint/lint.js';
import { type Signer, signerFor } from '../signature.js';

/** A certificate that was signed just now. */
export interface IssuedCertificate {
  readonly der: Buffer;
  readonly certificate: Certificate;
}

/**
 * Signs certificates, each one linted first under the signature of a throwaway key, so that nothing a CA key has ever
 * signed breaks a rule.
 *
 * The linter judges form and never verifies the signature, so one throwaway signature of the right algorithm, made when
 * the signer is, stands under every rehearsal: signing each one again would cost a third of the rate and tell the linter nothing.
 */
export class RehearsedSigner {
  readonly #signer: Signer;
  readonly #throwawaySignature: Buffer;

  /** @throws Problem `invalid-request`: not a private key that can sign here. */
  constructor(privateKey: KeyObject) {
    this.#signer = signerFor(privateKey);
    this.#throwawaySignature = bitString(signerFor(throwawayKeyLike(privateKey)).sign(Buffer.alloc(0)));
  }

  /** AlgorithmIdentifier that belongs into what is to be signed. */
  get algorithmIdentifier(): Buffer {
    return this.#signer.algorithmIdentifier;
  }

  /**
   * Rehearses, lints, signs.
   *
   * @param issuer  the certificate of the signing key; absent when the certificate signs itself.
   * @throws Problem `csr-rejected`: the certificate would break a rule; nothing was signed.
   */
  certify(tbsCertificate: Buffer, issuer?: Certificate): IssuedCertificate {
    const { algorithmIdentifier } = this.#signer;
    const { tbs } = readCertificate(sequence(tbsCertificate, algorithmIdentifier, this.#throwawaySignature));
    refuseFaults(tbs, issuer);
    const signature = this.#signer.sign(tbsCertificate);
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

/** The size of an RSA signature does not matter to the linter, and larger keys take seconds to make. */
const throwawayRsaBits = 2048;

function throwawayKeyLike({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): KeyObject {
  if (asymmetricKeyType === 'ed25519') return generateKeyPairSync('ed25519').privateKey;
  if (asymmetricKeyType === 'rsa') return generateKeyPairSync('rsa', { modulusLength: throwawayRsaBits }).privateKey;
  return generateKeyPairSync('ec', { namedCurve: asymmetricKeyDetails?.namedCurve ?? '' }).privateKey;
}
