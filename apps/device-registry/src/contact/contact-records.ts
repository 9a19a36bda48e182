import { Injectable } from '@nestjs/common';
import type { AuditEntry } from '@sallyport/audit';
import type {
  AllowedDevice,
  ClientCa,
  DeviceEventType,
  DeviceId,
  DeviceState,
  NewDeviceEvent,
} from '@sallyport/protocol';
import { Authorities } from '../devices/authorities.js';
import { DeviceLists } from '../devices/device-lists.js';
import { type DeviceRecord, fingerprintsOf, shownCertificate } from '../devices/device-record.js';
import type { Decision, StoredDevice } from '../devices/devices.js';
import type { NewSecret } from './device-secrets.js';
import type { KnownDevice, NamedContact } from './known-device.js';
import type { SecretContact } from './secret-contact.js';

/** The record of an admitted device. */
export interface Admitted {
  readonly record: DeviceRecord;
}

/** The same, with the secret that the device gets in its answer. */
export interface AdmittedWithSecret extends Admitted {
  readonly secret: string;
}

/** Where a contact came from. */
interface Origin {
  readonly entrance: string;
  readonly remoteAddress: string;
}

/** A device that is registered at its first contact. */
interface Registration {
  readonly record: DeviceRecord;
  readonly origin: Origin;
  readonly allowance: AllowedDevice | undefined;
  readonly details: AuditEntry['details'];
}

/** What the contacts of devices write: record, certificate, events and audit row, each in one transaction. */
@Injectable()
export class ContactRecords {
  constructor(
    private readonly authorities: Authorities,
    private readonly lists: DeviceLists,
  ) {}

  /** Registers the device of a certificate. With manual approval it waits. */
  async registration(named: NamedContact, allowance: AllowedDevice | undefined): Promise<Decision<Admitted>> {
    const { contact, issuer, identity, now } = named;
    const [at, actor] = [now.toISOString(), `entrance:${contact.request.entrance}`];
    const state = issuer.kind === 'client-ca' && issuer.clientCa.approval === 'manual' ? 'pending-approval' : 'active';
    if (issuer.kind === 'client-ca') await this.keepName(issuer.clientCa);
    const record: DeviceRecord = {
      ...newRecord(identity, { state, at, actor }),
      authority: issuer.kind === 'site' ? 'site' : issuer.clientCa.id,
      certificates: [shownCertificate(contact.request, at)],
      connector: named.connector.name,
      ...(allowance?.tags === undefined ? {} : { tags: allowance.tags }),
    };
    const { result, change } = this.registrationOf({
      record,
      origin: contact.request,
      allowance,
      details: certificateDetails(named),
    });
    return { result, change: { ...change, announced: [contact.leaf.fingerprint], kept: [keptIn(named)] } };
  }

  /** Registers the device of a secret. */
  secretRegistration(
    { origin, connector, identity, now }: SecretContact,
    { made, allowance }: { readonly made: NewSecret; readonly allowance: AllowedDevice | undefined },
  ): Decision<AdmittedWithSecret> {
    const [at, actor] = [now.toISOString(), `entrance:${origin.entrance}`];
    const { credential, secret } = made;
    const record: DeviceRecord = {
      ...newRecord(identity, { state: 'active', at, actor }),
      authority: 'none',
      certificates: [],
      connector: connector.name,
      credential,
      ...(allowance?.tags === undefined ? {} : { tags: allowance.tags }),
    };
    const { change } = this.registrationOf({ record, origin, allowance, details: { credential: credential.kind } });
    const operations = [...change.operations, ...made.operations];
    return { result: { record, secret }, change: { ...change, operations, announced: [credential.id] } };
  }

  /** Gives a known device another secret. */
  secretRenewal(
    { origin }: SecretContact,
    { device, made }: { readonly device: StoredDevice; readonly made: NewSecret },
  ): Decision<AdmittedWithSecret> {
    const { credential, secret, operations } = made;
    const after: DeviceRecord = { ...device.record, credential };
    const entry = entryOf('device-activated', { record: after, origin });
    const audit = [{ ...entry, details: { ...entry.details, credential: credential.kind } }];
    const change = { before: device, after, operations, announced: [credential.id], audit };
    return { result: { record: after, secret }, change };
  }

  /** Writes what a contact of a known device changed. */
  async readmission(named: NamedContact, before: StoredDevice, known: KnownDevice): Promise<Decision<Admitted>> {
    if (known.kind === 'admit') return { result: { record: before.record } };
    const { after, action } = known;
    const { contact, issuer } = named;
    if (issuer.kind === 'client-ca') await this.keepName(issuer.clientCa);
    const isNewCertificate = action !== 'authority-recognised';
    const event = eventOf('certificate_added', { record: after, origin: contact.request });
    const { fingerprint } = contact.leaf;
    const entry = entryOf(action, { record: after, origin: contact.request });
    return {
      result: { record: after },
      change: {
        before,
        after,
        // A session with the former certificate is asked about again: it may be superseded now.
        announced: fingerprintsOf(after),
        kept: isNewCertificate ? [keptIn(named)] : [],
        events: isNewCertificate ? [{ ...event, fingerprint }] : [],
        audit: [{ ...entry, details: { ...certificateDetails(named), from: before.record.authority } }],
      },
    };
  }

  /** `provisioned` is the first event of every device, also of one that waits for approval. */
  private registrationOf({ record, origin, allowance, details }: Registration) {
    const fingerprint = record.certificates[0]?.fingerprint;
    const about = { record, origin };
    const types: DeviceEventType[] =
      record.state === 'pending-approval' ? ['provisioned', 'approval_requested'] : ['provisioned'];
    const events = types.map((type) => ({
      ...eventOf(type, about),
      ...(fingerprint === undefined ? {} : { fingerprint }),
    }));
    // Its window has served its purpose. After a deletion, the device must be allowed again.
    const operations = allowance === undefined ? [] : [this.lists.allowed.remove(record.deviceId)];
    const entry = entryOf('device-registered', about);
    const isExpected = allowance !== undefined;
    return {
      result: { record },
      change: {
        after: record,
        events,
        operations,
        audit: [{ ...entry, details: { ...entry.details, ...details, isExpected } }],
      },
    };
  }

  private keepName({ id, label, certificates }: ClientCa): Promise<void> {
    return this.authorities.keepName({ id, name: (certificates[0]?.subject ?? label).slice(0, 256) });
  }
}

/** The protocol of an entrance of the connector. */
export function protocolOf(entrance: string): 'https' | 'mqtt' | 'coap' {
  if (entrance.includes('mqtt')) return 'mqtt';
  return entrance.includes('coap') ? 'coap' : 'https';
}

function newRecord(
  identity: DeviceId,
  { state, at, actor }: { readonly state: DeviceState; readonly at: string; readonly actor: string },
) {
  return { deviceId: identity, kind: 'device' as const, state, registeredAt: at, states: [{ state, at, actor }] };
}

interface About {
  readonly record: DeviceRecord;
  readonly origin: Origin;
}

function eventOf(type: DeviceEventType, { record, origin }: About): NewDeviceEvent {
  const { deviceId: device, connector } = record;
  return {
    type,
    device,
    ...(connector === undefined ? {} : { connector }),
    protocol: protocolOf(origin.entrance),
    address: origin.remoteAddress,
    actor: `entrance:${origin.entrance}`,
  };
}

function entryOf(action: string, { record, origin }: About) {
  const { deviceId, connector } = record;
  const details = { ...(connector === undefined ? {} : { connector }), remoteAddress: origin.remoteAddress };
  return { actor: `entrance:${origin.entrance}`, action, subject: deviceId, outcome: 'succeeded', details } as const;
}

function certificateDetails({ contact, connector, issuer }: NamedContact) {
  const { fingerprint, serialNumber, remoteAddress } = contact.request;
  const authority = issuer.kind === 'site' ? 'site' : issuer.clientCa.id;
  return { connector: connector.name, fingerprint, serialNumber, authority, remoteAddress };
}

function keptIn({ contact }: NamedContact) {
  return { fingerprint: contact.leaf.fingerprint, der: contact.leaf.der };
}
