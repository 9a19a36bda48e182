import { createPublicKey, type KeyObject } from 'node:crypto';
import { Problem, type SerialNumber } from '@sallyport/protocol';
import type { Certificate } from '../certificate.js';
import { tags } from '../der/tags.js';
import { tlv } from '../der/writer.js';
import {
  authorityKeyIdentifier,
  caIssuersAccess,
  crlDistributionPoint,
  extendedKeyUsage,
  keyUsage,
  leafConstraints,
  noRevocationAvailable,
  subjectAltName,
  subjectKeyIdentifier,
} from '../extension-writers.js';
import type { SubjectAltName } from '../general-name.js';
import { encodeSubject } from '../name.js';
import type { CertificateProfile } from './profiles.js';
import { RehearsedSigner, type SignedCertificate } from './rehearsed-signer.js';
import { SerialNumberPool } from './serial-number.js';
import { encodeSerialNumber, encodeTbsCertificate, keyIdentifierOf } from './tbs-certificate.js';

/** One issuing CA that issues with one profile. */
export interface LeafIssuerOptions {
  readonly issuer: Certificate;
  readonly privateKey: KeyObject;
  readonly profile: CertificateProfile;
  /** URL of the CRL of this issuer. It is http, because https would need a revocation check first. */
  readonly crlUrl?: string | undefined;
  /** URL of the certificate of the issuer, in DER; http. */
  readonly caIssuersUrl?: string | undefined;
}

/** The fields of a leaf that differ for each holder. The rest comes from the profile. */
export interface LeafRequest {
  readonly subject: { readonly commonName: string; readonly organization?: string | undefined };
  /** SubjectPublicKeyInfo. The requester must have proved that it has the private key. */
  readonly spki: Buffer;
  readonly subjectAltNames: readonly SubjectAltName[];
  /** Fractions of a second are dropped. Both ends are cut to the validity of the issuer. */
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** A new random one when absent. */
  readonly serialNumber?: SerialNumber | undefined;
}

/**
 * Issues leaves. Fields that are the same in all leaves are encoded only once, in the constructor. Each leaf then costs
 * its own fields, a lint and one native signature.
 */
export class LeafIssuer {
  private readonly options: LeafIssuerOptions;
  private readonly signer: RehearsedSigner;
  private readonly serialNumbers = new SerialNumberPool();
  /** Constraints, usages and authority key identifier. */
  private readonly leadingExtensions: Buffer;
  /** The extensions with the URLs for revocation. */
  private readonly revocableExtensions: Buffer;
  /** The extension of a leaf that is too short-lived for revocation. It has this instead of the URLs. */
  private readonly shortLivedExtensions: Buffer;

  /** @throws Problem `signing-key-unavailable`: the certificate is not of a CA, or the key does not belong to it. */
  constructor(options: LeafIssuerOptions) {
    const { issuer, privateKey, profile, crlUrl, caIssuersUrl } = options;
    requirePair(issuer, privateKey);
    this.options = options;
    this.signer = new RehearsedSigner(privateKey);
    this.leadingExtensions = Buffer.concat([
      leafConstraints(),
      keyUsage(profile.keyUsages),
      ...(profile.extendedKeyUsages.length === 0 ? [] : [extendedKeyUsage(profile.extendedKeyUsages)]),
      authorityKeyIdentifier(issuerKeyIdentifier(issuer)),
    ]);
    const caIssuers = caIssuersUrl === undefined ? [] : [caIssuersAccess(caIssuersUrl)];
    const crl = crlUrl === undefined ? [] : [crlDistributionPoint(crlUrl)];
    this.revocableExtensions = Buffer.concat([...crl, ...caIssuers]);
    this.shortLivedExtensions = Buffer.concat([noRevocationAvailable(), ...caIssuers]);
  }

  /**
   * Issues one leaf. Lints it before it signs.
   *
   * @throws Problem `csr-rejected`: the leaf would break a rule; nothing was signed.
   * @throws Problem `invalid-request`: a name or the serial number cannot be encoded.
   * @throws Problem `signing-key-unavailable`: the issuer expires too early for this lifetime; rotate it.
   * @see RFC 5280 §4.1
   */
  issue(request: LeafRequest): SignedCertificate {
    const { subject, spki, subjectAltNames, serialNumber } = request;
    const { issuer } = this.options;
    const validity = this.fitValidity(request);
    const tbsCertificate = encodeTbsCertificate({
      serialNumber: serialNumber ? encodeSerialNumber(serialNumber) : tlv(tags.integer, this.serialNumbers.next()),
      signatureAlgorithm: this.signer.algorithmIdentifier,
      issuer: issuer.subject.der,
      ...validity,
      subject: encodeSubject(subject),
      spki,
      extensions: [
        this.leadingExtensions,
        subjectKeyIdentifier(keyIdentifierOf(spki)),
        ...(subjectAltNames.length === 0 ? [] : [subjectAltName(subjectAltNames)]),
        this.revocationExtensions(validity),
      ],
    });
    return this.signer.certify(tbsCertificate, issuer);
  }

  /** A leaf is never valid after its issuer or before it. */
  private fitValidity({ notBefore, notAfter }: Validity): Validity {
    const { issuer, profile } = this.options;
    const first = Math.max(notBefore.getTime(), issuer.notBefore.getTime());
    const last = Math.min(notAfter.getTime(), issuer.notAfter.getTime());
    const share = (last - first) / (notAfter.getTime() - notBefore.getTime());
    if (!(last > first && share >= profile.minimumLifeShare))
      throw new Problem(
        'signing-key-unavailable',
        `Nothing was signed: the issuing CA ${issuer.subject.text} ends ${issuer.notAfter.toISOString()}, too soon for a certificate until ${notAfter.toISOString()}. Use a CA that ends later.`,
      );
    return { notBefore: new Date(first), notAfter: new Date(last) };
  }

  private revocationExtensions({ notBefore, notAfter }: Validity): Buffer {
    const { backdateSeconds, noRevocationUpToSeconds } = this.options.profile;
    const lifeSeconds = (notAfter.getTime() - notBefore.getTime()) / 1000 - backdateSeconds;
    return lifeSeconds <= noRevocationUpToSeconds ? this.shortLivedExtensions : this.revocableExtensions;
  }
}

interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** The key identifier of the issuer, which is needed to build chains. It is computed if the issuer has none. */
export function issuerKeyIdentifier({ subjectKeyIdentifier: identifier, spki }: Certificate): Buffer {
  return identifier === undefined ? keyIdentifierOf(spki) : Buffer.from(identifier, 'hex');
}

/**
 * Refuses a private key that does not belong to the certificate of the issuer.
 *
 * @throws Problem `signing-key-unavailable`
 */
export function requirePair(issuer: Certificate, privateKey: KeyObject): void {
  const { text } = issuer.subject;
  if (!issuer.isCa)
    throw new Problem('signing-key-unavailable', `${text} cannot issue certificates: it is not a CA certificate.`);
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  if (!publicKey.equals(issuer.spki))
    throw new Problem('signing-key-unavailable', `The private key does not belong to the certificate of ${text}.`);
}
