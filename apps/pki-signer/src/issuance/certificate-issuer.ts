import { hash } from 'node:crypto';
import {
  certificateIssued,
  type DeviceId,
  type Fingerprint,
  type OcfUuid,
  ocfDeviceId,
  ocfUuidOf,
  type PeerKind,
  Problem,
  type SerialNumber,
} from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import type { Compare, Operation, Outbox, Store } from '@sallyport/store';
import {
  authorityIdOf,
  type Certificate,
  type CertificateProfile,
  type CertificateRequest,
  certificateProfiles,
  checkCertificateRequest,
  constraintVerdict,
  extensionsLeftOut,
  LeafIssuer,
  leafAltNames,
  newSerialNumber,
  type SubjectAltName,
  validityOf,
} from '@sallyport/x509';
import type { SignerAuditEntry, SignerAuditLog } from '../audit/signer-audit.js';
import { publicationUrls } from '../authority/authority-maker.js';
import type { Hierarchy, SigningAuthority } from '../authority/hierarchy.js';
import { announcementOf, type CertificateRecord, type RequestedNames } from '../inventory/certificate-record.js';
import type { Inventory } from '../inventory/inventory.js';
import type { KeyStore } from '../signing-key/signing-key.js';
import { requireLife } from './issuer-life.js';
import { claimKey, type KeyClaim } from './key-owner.js';
import type { Provisioner, SignerMetrics } from './signer-metrics.js';

export type LeafProfileName = 'device' | 'service' | 'admin' | 'server' | 'hub';

/** The kind of peer, in the registry, that holds a certificate of this profile. */
export function peerKindOf(profile: LeafProfileName): PeerKind {
  return profile === 'server' || profile === 'hub' ? 'service' : profile;
}

/** The rules for an order: those of OCF for the name of an OCF device. */
function formOf({ profile, name }: Pick<IssueOrder, 'profile' | 'name'>): CertificateProfile {
  if (profile === 'hub') return certificateProfiles.ocfHub;
  return profile === 'device' && ocfUuidOf(name) !== undefined
    ? certificateProfiles.ocfDevice
    : certificateProfiles[profile];
}

/** A certificate to be issued. All checks but those of the profile have passed. */
export interface IssueOrder {
  /** The proof that its sender holds the private key has been verified. */
  readonly csr: CertificateRequest;
  readonly name: DeviceId;
  readonly profile: LeafProfileName;
  readonly provisioner: Provisioner;
  /** Who asked, for the audit log. */
  readonly actor: string;
  /** Host names and addresses that it may contain. */
  readonly permittedHosts: readonly string[];
  /** Another common name that the CSR may have; the certificate has `name`. */
  readonly alias?: string;
  /** From the certificate that it renews; from the CSR when absent. */
  readonly subjectAltNames?: readonly SubjectAltName[];
  readonly requested: RequestedNames;
  readonly reinstate: boolean;
  readonly renews?: Fingerprint;
  /** The end of the certificate that it renews, when that has ended. */
  readonly afterEnd?: string;
  /** It must not end earlier, whatever the profile says. It never outlives its CA. */
  readonly lastsUntil?: Date;
  /** What this certificate uses up, such as a token. Nothing when absent. */
  readonly consume?: (fingerprint: Fingerprint) => Consumption;
}

/** Conditions and changes for the transaction that stores a certificate. */
export interface Consumption {
  readonly compares: readonly Compare[];
  readonly operations: readonly Operation[];
}

export interface CertificateIssuerOptions {
  readonly store: Store;
  readonly audit: SignerAuditLog;
  readonly inventory: Inventory;
  readonly hierarchy: Hierarchy;
  readonly keys: KeyStore;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly metrics: SignerMetrics;
  readonly organization: string;
  readonly trustDomain: string;
  readonly publicUrl: string;
  /** The id of the CoAP gateway of this site. Only its own certificate has it as its name. */
  readonly hubId: OcfUuid;
  /** Lifetime of a leaf by profile, seconds: `pki.profile.device.validity`, `pki.profile.service.validity`. */
  readonly validitySeconds: Readonly<Record<LeafProfileName, number>>;
}

/** Everything decided before the CA key is used. */
interface Draft {
  readonly authority: SigningAuthority;
  readonly profile: CertificateProfile;
  readonly claim: KeyClaim;
  readonly serialNumber: SerialNumber;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly subjectAltNames: readonly SubjectAltName[];
}

/**
 * Checks a CSR against its profile and signs the certificate. The audit log gets a row before and after the signature.
 */
export class CertificateIssuer {
  private readonly issuers = new Map<string, LeafIssuer>();
  private readonly chains = new Map<string, readonly Certificate[]>();

  constructor(private readonly options: CertificateIssuerOptions) {}

  /**
   * Issues one leaf. Before the signature the audit log gets the intent. After it, one transaction stores the
   * certificate, its inventory entries, what it uses up, the event and the audit row.
   *
   * @returns undefined when a condition no longer held (token used, CA rotated). Nothing was stored and the signature
   * was thrown away. The caller reads everything again and decides again
   * @throws Problem `csr-rejected`, `csr-forbidden`: the request breaks the profile; nothing was signed
   * @throws Problem `signing-key-unavailable`: no CA, or it ends too soon
   */
  async issue(order: IssueOrder): Promise<CertificateRecord | undefined> {
    const { metrics, audit } = this.options;
    const draft = await metrics.timed('policy', () => this.draft(order));
    await metrics.timed('store', () => audit.commit({ entries: [intention(order, draft)] }));
    const { certificate } = await metrics.timed('sign', () => this.sign(order, draft));
    const record = this.recordOf(order, draft, certificate);
    const isStored = await metrics.timed('store', () => this.store(order, draft, record));
    if (!isStored) return undefined;
    const { profile, provisioner } = order;
    metrics.issued.inc({ profile, provisioner, key: order.csr.key.type });
    return record;
  }

  private async draft(order: IssueOrder): Promise<Draft> {
    const { store, trustDomain, hierarchy } = this.options;
    const profile = this.profileOf(order);
    const { name: deviceId, permittedHosts, alias } = order;
    const identity = { deviceId, trustDomain, permittedHosts, alias };
    this.refuseHubName(order);
    checkCertificateRequest(order.csr, profile, identity);
    this.refuseAuthorityKeys(order.csr);
    const authority = hierarchy.signing(order.profile === 'device' ? 'device' : 'service');
    this.refuseConstrainedName(order.name, authority);
    const validity = this.validityOf(order, profile);
    requireLife(hierarchy, authority, { ...validity, ...profile, now: this.options.clock.now() });
    return {
      ...validity,
      authority,
      profile,
      claim: await claimKey(store, order.csr.spki, order.name),
      serialNumber: newSerialNumber(),
      subjectAltNames: order.subjectAltNames ?? leafAltNames(order.csr, profile, identity),
    };
  }

  private validityOf({ lastsUntil }: IssueOrder, profile: CertificateProfile) {
    const { notBefore, notAfter } = validityOf(profile, this.options.clock.now());
    return { notBefore, notAfter: lastsUntil !== undefined && lastsUntil > notAfter ? lastsUntil : notAfter };
  }

  private profileOf(order: IssueOrder): CertificateProfile {
    return { ...formOf(order), validitySeconds: this.options.validitySeconds[order.profile] };
  }

  /** A device with this name could take the place of the gateway before other devices. */
  private refuseHubName({ name, profile }: IssueOrder): void {
    if (profile === 'hub' || ocfUuidOf(name) !== this.options.hubId) return;
    throw new Problem(
      'csr-forbidden',
      `The name "${ocfDeviceId(this.options.hubId)}" is the id of the CoAP gateway of this site. Give the device another UUID.`,
    );
  }

  private refuseAuthorityKeys({ spki }: CertificateRequest): void {
    if (this.options.hierarchy.all.some(({ certificate }) => certificate.spki.equals(spki)))
      throw new Problem('csr-forbidden', 'This key belongs to a CA. Make a new key and send a new CSR.');
  }

  /** Refused because every entrance would refuse the certificate. */
  private refuseConstrainedName(name: DeviceId, authority: SigningAuthority): void {
    const forbidding = this.chainOf(authority).find((each) => constraintVerdict(each, name) === 'forbidden');
    if (forbidding === undefined) return;
    throw new Problem(
      'csr-forbidden',
      `The name constraints of the CA "${forbidding.subject.text}" forbid the name "${name}". Use a name they permit, or import a CA without name constraints.`,
    );
  }

  /** A CA and those above it. The result is remembered, because each search checks signatures. */
  private chainOf(authority: SigningAuthority): readonly Certificate[] {
    const { certificate, intermediates, record } = authority;
    const known = this.chains.get(record.id);
    if (known !== undefined) return known;
    const chain = [certificate, ...intermediates, this.options.hierarchy.rootOf(authority).certificate];
    this.chains.set(record.id, chain);
    return chain;
  }

  private async sign(order: IssueOrder, draft: Draft): Promise<{ readonly certificate: Certificate }> {
    const { serialNumber, notBefore, notAfter, subjectAltNames } = draft;
    const issuer = await this.issuerFor(draft);
    const subject = { commonName: order.name, organization: this.options.organization };
    return issuer.issue({ subject, spki: order.csr.spki, subjectAltNames, notBefore, notAfter, serialNumber });
  }

  /** One for each CA and profile. It encodes only once what all their certificates share. */
  private async issuerFor({ authority, profile }: Draft): Promise<LeafIssuer> {
    const { keys, publicUrl } = this.options;
    const id = `${authority.record.id}/${profile.name}`;
    const known = this.issuers.get(id);
    if (known !== undefined) return known;
    const { privateKey } = await keys.open(authority.keyName);
    const issuer = authority.certificate;
    const made = new LeafIssuer({ issuer, privateKey, profile, ...publicationUrls(publicUrl, issuer) });
    this.issuers.set(id, made);
    return made;
  }

  private recordOf(order: IssueOrder, { authority }: Draft, certificate: Certificate): CertificateRecord {
    const { fingerprint, serialNumber, notBefore, notAfter, der } = certificate;
    const leftOut = extensionsLeftOut(order.csr, certificate);
    return {
      fingerprint,
      serialNumber,
      issuer: authority.record.id,
      issuerFingerprint: authority.certificate.fingerprint,
      deviceId: order.name,
      kind: peerKindOf(order.profile),
      profile: order.profile,
      notBefore: notBefore.toISOString(),
      notAfter: notAfter.toISOString(),
      issuedAt: this.options.clock.now().toISOString(),
      certificate: der.toString('base64'),
      requested: order.requested,
      ...(leftOut.length === 0 ? {} : { leftOut }),
      ...(order.renews === undefined ? {} : { renews: order.renews }),
    };
  }

  private store(order: IssueOrder, { authority, claim }: Draft, record: CertificateRecord): Promise<boolean> {
    const { inventory, hierarchy, outbox, audit } = this.options;
    const consumed = order.consume?.(record.fingerprint);
    const issuerAuthority = authorityIdOf(authority.certificate);
    const event = { ...announcementOf(record), issuerAuthority, reinstate: order.reinstate };
    return audit.commit({
      compares: [
        ...(consumed?.compares ?? []),
        claim.compare,
        hierarchy.stateOf(authority),
        inventory.serialIsFree(record.issuer, record.serialNumber),
      ],
      operations: [
        ...(consumed?.operations ?? []),
        claim.operation,
        ...inventory.additionOf(record),
        outbox.record(certificateIssued.topic, event),
      ],
      entries: [outcome(order, record)],
    });
  }
}

function intention({ name, profile, actor, provisioner, csr }: IssueOrder, draft: Draft): SignerAuditEntry {
  const { authority, serialNumber, notAfter } = draft;
  const details = {
    profile,
    provisioner,
    issuer: authority.record.id,
    serialNumber,
    notAfter: notAfter.toISOString(),
    csrDigest: hash('sha256', csr.der),
  };
  return { action: 'certificate-intended', actor, subject: name, outcome: 'succeeded', details };
}

function outcome({ actor, provisioner, afterEnd }: IssueOrder, record: CertificateRecord): SignerAuditEntry {
  const { deviceId, profile, issuer, serialNumber, fingerprint, certificate, leftOut } = record;
  const issued = {
    ...{ profile, provisioner, issuer, serialNumber, fingerprint, certificate },
    ...(afterEnd === undefined ? {} : { afterEnd }),
  };
  const details = leftOut === undefined ? issued : { ...issued, leftOut: leftOut.join(', ') };
  return { action: 'certificate-issued', actor, subject: deviceId, outcome: 'succeeded', details };
}
