import type { ClientCa, ConnectorDocument, DeviceAuthority, DeviceId } from '@sallyport/protocol';
import { isFormerAuthority, judgePeer } from '../admission/admission-rules.js';
import { type DeviceRecord, holdsCertificate, shownCertificate, withCertificate } from '../devices/device-record.js';
import { type AcceptedIssuer, isInDate, isInGrace } from './accepted-issuer.js';
import type { CertificateContact } from './certificate-contact.js';
import { Refusal } from './refusal.js';

const dayMs = 86_400_000;

/** A contact whose device has a name by now. */
export interface NamedContact {
  readonly contact: CertificateContact;
  readonly connector: ConnectorDocument;
  readonly issuer: AcceptedIssuer;
  readonly identity: DeviceId;
  readonly now: Date;
}

/** `admit`: nothing is new. `record`: this is the record after it. */
export type KnownDevice =
  | { readonly kind: 'admit' }
  | {
      readonly kind: 'record';
      readonly after: DeviceRecord;
      readonly action: 'certificate-recorded' | 'authority-recognised' | 'device-taken-over';
    };

/**
 * Judges a contact of a device that is registered: the device itself, its CA, its state, then its certificate.
 *
 * @throws Refusal the first rule that the contact breaks
 */
export function judgeKnownDevice(named: NamedContact, record: DeviceRecord): KnownDevice {
  const { issuer, identity } = named;
  if (record.credential !== undefined) throw new Refusal('credential-mismatch');
  if (record.deviceId !== identity || record.kind !== 'device') throw new Refusal('name-conflict');
  return issuer.kind === 'site' ? judgeSiteDevice(named, record) : judgeClientDevice(named, record, issuer.clientCa);
}

/** As at every other entrance: certificates of this site are renewed by its own signer. */
function judgeSiteDevice(named: NamedContact, record: DeviceRecord): KnownDevice {
  const request = { ...named.contact.request, deviceId: named.identity };
  const judged = judgePeer(request, { record, isDenied: false });
  if (judged.kind === 'refuse') throw new Refusal(judged.reason);
  if (judged.kind === 'admit') return judged;
  const after = judged.kind === 'recognise' ? record : withShownCertificate(named, record);
  const action = judged.kind === 'recognise' ? 'authority-recognised' : 'certificate-recorded';
  return { kind: 'record', after: { ...after, authority: 'site' }, action };
}

function judgeClientDevice(named: NamedContact, record: DeviceRecord, clientCa: ClientCa): KnownDevice {
  const isElsewhere = record.connector !== undefined && record.connector !== named.connector.name;
  if (isElsewhere) throw new Refusal('name-conflict');
  const claim = claimOf(named, record, clientCa);
  if (record.state !== 'active') throw new Refusal(`device-${record.state}`);
  requireCurrentIssuer(named, clientCa);
  if (holdsCertificate(record, named.contact.leaf.fingerprint)) {
    requireNotSuperseded(named, record);
    if (claim !== 'former-record') return { kind: 'admit' };
    return { kind: 'record', after: { ...record, authority: clientCa.id }, action: 'authority-recognised' };
  }
  requireAcceptable(named, record, claim);
  const after = { ...withShownCertificate(named, record), authority: clientCa.id };
  return { kind: 'record', after, action: claim === 'owner' ? 'certificate-recorded' : 'device-taken-over' };
}

/** Why a CA may speak for a device. */
type Claim = 'owner' | 'former-record' | 'successor' | 'holder' | 'any-ca';

/** Two CAs with one name never become one device, unless an administrator has said so. */
function claimOf(
  { contact, connector }: NamedContact,
  { authority, certificates }: DeviceRecord,
  clientCa: ClientCa,
): Claim {
  if (authority === clientCa.id) return 'owner';
  if (isFormerAuthority(authority) && contact.request.knownIssuerFingerprints.includes(authority))
    return 'former-record';
  if (isSuccessor(clientCa, authority)) return 'successor';
  // An administrator gave the registry this certificate, or gave the device to another CA. Only the device has its key.
  const { fingerprint } = contact.leaf;
  if (certificates.some((held) => held.fingerprint === fingerprint && held.revocation === undefined)) return 'holder';
  if (connector.settings.pki.pinning === 'any-ca' && authority !== 'site' && authority !== 'none') return 'any-ca';
  throw new Refusal('name-conflict');
}

function isSuccessor({ successorOf }: ClientCa, authority: DeviceAuthority): boolean {
  return successorOf !== undefined && successorOf === authority;
}

function requireCurrentIssuer({ now }: NamedContact, clientCa: ClientCa): void {
  if (!isInDate(clientCa, now) && !isInGrace(clientCa, now)) throw new Refusal('issuer-expired');
}

/** A certificate that a newer one has replaced is accepted for some days. `keepFormerDays: 0`: not any more. */
function requireNotSuperseded({ contact, connector, now }: NamedContact, { certificates }: DeviceRecord): void {
  const place = certificates.findIndex(({ fingerprint }) => fingerprint === contact.leaf.fingerprint);
  const replacement = certificates[place - 1];
  if (replacement === undefined) return;
  const goodUntil = Date.parse(replacement.recordedAt) + connector.settings.pki.keepFormerDays * dayMs;
  if (now.getTime() >= goodUntil) throw new Refusal('certificate-superseded');
}

/** Whether a certificate that the registry does not know may become the one of this device. */
function requireAcceptable({ contact, connector }: NamedContact, record: DeviceRecord, claim: Claim): void {
  const { leaf } = contact;
  if (record.expectedCertificate === leaf.fingerprint) return;
  if (connector.settings.pki.pinning === 'pin' && claim !== 'successor') throw new Refusal('certificate-not-pinned');
  if (record.admitsAfter !== undefined && leaf.notBefore.getTime() <= Date.parse(record.admitsAfter))
    throw new Refusal('certificate-revoked');
  // Somebody who finds an old certificate and its key must not come back with them.
  const newest = Math.max(...record.certificates.map(({ notBefore }) => Date.parse(notBefore)));
  if (leaf.notBefore.getTime() < newest) throw new Refusal('certificate-superseded');
}

function withShownCertificate({ contact, now }: NamedContact, record: DeviceRecord): DeviceRecord {
  const { expectedCertificate: _, ...rest } = record;
  return withCertificate(rest, shownCertificate(contact.request, now.toISOString()));
}
