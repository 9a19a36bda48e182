import { Injectable } from '@nestjs/common';
import {
  type ActivationDecision,
  type ActivationRequest,
  type AuthenticationDecision,
  type AuthenticationRequest,
  type DeviceId,
  deviceId,
  type PresentedCredential,
} from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import type { DeviceCredential, DeviceRecord } from '../devices/device-record.js';
import { Devices, type StoredDevice } from '../devices/devices.js';
import { ConnectorsAtContact } from './connectors-at-contact.js';
import { requireGivenIdentity } from './contact-identity.js';
import { ContactRecords } from './contact-records.js';
import { ContactRefusals } from './contact-refusals.js';
import { DeviceSecrets, type NewSecret } from './device-secrets.js';
import { newIdentity } from './new-identity.js';
import { type Newcomer, Newcomers } from './newcomers.js';
import { Provisioned } from './provisioned.js';
import { answerOrReason, Refusal } from './refusal.js';
import { RefusedCertificates } from './refused-certificates.js';
import type { SecretContact } from './secret-contact.js';
import { WrongAttempts } from './wrong-attempts.js';

interface Seen {
  identity?: DeviceId;
}

/** Gives devices without a certificate their secret, and answers whether a device with a secret is admitted. */
@Injectable()
export class SecretAdmission {
  constructor(
    private readonly connectors: ConnectorsAtContact,
    private readonly attempts: WrongAttempts,
    private readonly refused: RefusedCertificates,
    private readonly newcomers: Newcomers,
    private readonly devices: Devices,
    private readonly secrets: DeviceSecrets,
    private readonly records: ContactRecords,
    private readonly refusals: ContactRefusals,
    private readonly provisioned: Provisioned,
    private readonly clock: Clock,
  ) {}

  /**
   * Gives a device its secret. It is given once.
   *
   * @throws Problem `unavailable`, `storage-full`: the registry could not store it, so the device did not get it
   */
  async activate(request: ActivationRequest): Promise<ActivationDecision> {
    const seen: Seen = {};
    const judged = await answerOrReason(this.judgeActivation(request, seen));
    if ('reason' in judged) {
      this.attempts.note(request.remoteAddress, judged.reason);
      return this.refuse(request, { ...seen, reason: judged.reason });
    }
    const { record, secret } = judged.answer;
    await this.provisioned.announced(record);
    return { outcome: 'activated', deviceId: record.deviceId, token: secret };
  }

  /** Whether a device with a token or a password is admitted. */
  async authenticate(request: AuthenticationRequest): Promise<AuthenticationDecision> {
    const seen: Seen = {};
    const judged = await answerOrReason(this.judgeSecret(request, seen));
    if ('reason' in judged) return this.refuse(request, { ...seen, reason: judged.reason });
    const { record, credential } = judged.answer;
    await this.provisioned.announced(record);
    return { outcome: 'admitted', deviceId: record.deviceId, credentialDigest: credential.id };
  }

  /** The order of an activation, from top to bottom. It is that of a certificate, but for what only that has. */
  private async judgeActivation(request: ActivationRequest, seen: Seen) {
    this.attempts.requireBudget(request.remoteAddress);
    const connector = await this.connectors.require(request.connector);
    const { generateIdentity } = connector.settings.provisioning;
    const given = request.identity ?? (generateIdentity ? newIdentity(connector.settings.identity) : '');
    const identity = requireGivenIdentity(given, connector);
    seen.identity = identity;
    await this.refused.requireNotDenied({ identity });
    const contact: SecretContact = { origin: request, connector, identity, now: this.clock.now() };
    const kind = connector.settings.provisioning.auth === 'password' ? 'password' : 'token';
    const newcomer = this.newcomers.check(newcomerOf(contact, kind));
    return newcomer.inTurn(() =>
      this.devices.change(identity, async (device) => {
        if (device !== undefined) return this.reactivation(contact, device);
        const allowance = await newcomer.requireExpected();
        newcomer.requireAddress();
        await newcomer.requireRoom();
        await newcomer.requireConsent();
        const made = await this.makeSecret(contact, kind);
        return this.records.secretRegistration(contact, { made, allowance });
      }),
    );
  }

  /** A device that is known gets a new secret only after an administrator has taken the old one back. */
  private async reactivation(contact: SecretContact, device: StoredDevice) {
    const { record } = device;
    const credential = requireSecretOf(record, contact);
    if (record.state !== 'active') throw new Refusal(`device-${record.state}`);
    if (credential.isActive) throw new Refusal('already-activated');
    return this.records.secretRenewal(contact, { device, made: await this.makeSecret(contact, credential.kind) });
  }

  private makeSecret({ identity, now }: SecretContact, kind: DeviceCredential['kind']): Promise<NewSecret> {
    return this.secrets.make({ deviceId: identity, kind, issuedAt: now.toISOString() });
  }

  /** The order in which a secret is judged. Nothing about a device is told before its secret was right. */
  private judgeSecret(request: AuthenticationRequest, seen: Seen) {
    const judge = () => this.judgeOwner(request, seen);
    return request.credential.kind === 'token' ? judge() : this.attempts.attempt(request.remoteAddress, judge);
  }

  private async judgeOwner({ connector: name, credential: shown }: AuthenticationRequest, seen: Seen) {
    const connector = await this.connectors.require(name);
    const record = await this.ownerOf(shown, seen);
    const credential = record?.credential;
    if (record === undefined || credential?.isActive !== true || record.connector !== connector.name)
      throw new Refusal('credential-unknown');
    seen.identity = record.deviceId;
    await this.refused.requireNotDenied({ identity: record.deviceId });
    if (record.state !== 'active') throw new Refusal(`device-${record.state}`);
    return { record, credential };
  }

  /** The device whose present secret this is. */
  private async ownerOf(shown: PresentedCredential, seen: Seen): Promise<DeviceRecord | undefined> {
    if (shown.kind === 'token') {
      const owner = await this.secrets.ownerOf(shown.token);
      const record = owner && (await this.devices.find(owner.deviceId))?.record;
      return record?.credential?.id === owner?.id ? record : undefined;
    }
    const name = deviceId.safeParse(shown.identity).data;
    const record = name && (await this.devices.find(name))?.record;
    if (record !== undefined) seen.identity = record.deviceId;
    const isPassword = await this.secrets.isPassword(record?.deviceId, shown.password);
    return isPassword && record?.credential?.kind === 'password' ? record : undefined;
  }

  private async refuse(
    { connector, entrance, remoteAddress }: Pick<ActivationRequest, 'connector' | 'entrance' | 'remoteAddress'>,
    { identity, reason }: Seen & { readonly reason: Refusal['reason'] },
  ) {
    await this.refusals.note({ connector, contact: { entrance, remoteAddress }, identity }, reason);
    return { outcome: 'refused' as const, reason };
  }
}

function newcomerOf({ connector, identity, origin }: SecretContact, credential: DeviceCredential['kind']): Newcomer {
  const { remoteAddress } = origin;
  const question = { connector: connector.name, identity, remoteAddress, credential };
  return { connector, identity, remoteAddress, question };
}

/** Nobody gets a secret for a device that proves itself with a certificate, or that came to another connector. */
function requireSecretOf(record: DeviceRecord, { connector, identity }: SecretContact): DeviceCredential {
  const { credential } = record;
  if (credential === undefined) throw new Refusal('credential-mismatch');
  if (record.deviceId !== identity || record.connector !== connector.name) throw new Refusal('name-conflict');
  return credential;
}
