import { Injectable } from '@nestjs/common';
import {
  type AdmissionDecision,
  type CertificateAdmissionRequest,
  type ConnectorContact,
  type DeviceId,
  printable,
} from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { Devices } from '../devices/devices.js';
import { requireAcceptedIssuer } from './accepted-issuer.js';
import { contactOf } from './certificate-contact.js';
import { ConnectorsAtContact } from './connectors-at-contact.js';
import { requireIdentity } from './contact-identity.js';
import { type Admitted, ContactRecords } from './contact-records.js';
import { ContactRefusals } from './contact-refusals.js';
import { judgeKnownDevice, type NamedContact } from './known-device.js';
import { requireFitLeaf } from './leaf-rules.js';
import { type Newcomer, Newcomers } from './newcomers.js';
import { Provisioned } from './provisioned.js';
import { answerOrReason } from './refusal.js';
import { RefusedCertificates } from './refused-certificates.js';

/** As many as a refusal may have. */
const mostSubjectLength = 256;

/** What a contact has shown of itself when it is refused. */
interface SeenContact {
  subject?: string;
  identity?: DeviceId;
}

/** Answers whether a device with a certificate is admitted at a connector, and registers those that are new. */
@Injectable()
export class ContactAdmission {
  constructor(
    private readonly connectors: ConnectorsAtContact,
    private readonly refused: RefusedCertificates,
    private readonly newcomers: Newcomers,
    private readonly devices: Devices,
    private readonly records: ContactRecords,
    private readonly refusals: ContactRefusals,
    private readonly provisioned: Provisioned,
    private readonly clock: Clock,
  ) {}

  /**
   * Idempotent: fifty parallel first contacts of one certificate make one device, and all are admitted. Who gets the
   * answer "admitted" can be sure that the event `provisioned` of the device has been published.
   *
   * @throws Problem `unavailable`, `storage-full`: the registry could not store the device, so it does not admit it
   */
  async admit(request: CertificateAdmissionRequest, shown: ConnectorContact): Promise<AdmissionDecision> {
    const seen: SeenContact = {};
    const judged = await answerOrReason(this.judge(request, shown, seen));
    if ('reason' in judged) {
      await this.refusals.note({ connector: shown.name, contact: request, ...seen }, judged.reason);
      return { outcome: 'refused', reason: judged.reason };
    }
    const { record } = judged.answer;
    await this.provisioned.announced(record);
    if (record.state === 'active') return { outcome: 'admitted', deviceId: record.deviceId, kind: 'device' };
    return { outcome: 'refused', reason: `device-${record.state}` };
  }

  /**
   * The order of the decision, from top to bottom. The first rule that does not hold ends it with its reason. The
   * entrance has checked before: server name, handshake, no resumption, chain, keys and signatures.
   *
   * @param seen gets subject and identity as soon as they are known
   */
  private async judge(
    request: CertificateAdmissionRequest,
    shown: ConnectorContact,
    seen: SeenContact,
  ): Promise<Admitted> {
    const now = this.clock.now();
    const connector = await this.connectors.require(shown.name);
    const contact = contactOf(request, shown);
    seen.subject = printable(contact.leaf.subject.text).slice(0, mostSubjectLength);
    const issuer = requireAcceptedIssuer(request, connector);
    requireFitLeaf(contact.leaf, connector.settings.pki, now);
    await this.refused.requireGood(contact, issuer);
    const identity = requireIdentity(contact.leaf, issuer, connector);
    seen.identity = identity;
    const named: NamedContact = { contact, connector, issuer, identity, now };
    await this.refused.requireNotDenied({ identity, fingerprint: request.fingerprint });
    const newcomer = this.newcomers.check(newcomerOf(named));
    return newcomer.inTurn(() =>
      this.devices.change(identity, async (device) => {
        if (device !== undefined)
          return this.records.readmission(named, device, judgeKnownDevice(named, device.record));
        const allowance = await newcomer.requireExpected();
        newcomer.requireIssuer();
        newcomer.requireAddress();
        await newcomer.requireRoom();
        await newcomer.requireConsent();
        return this.records.registration(named, allowance);
      }),
    );
  }
}

function newcomerOf({ contact, connector, issuer, identity }: NamedContact): Newcomer {
  const { remoteAddress, fingerprint } = contact.request;
  const question = {
    connector: connector.name,
    identity,
    remoteAddress,
    credential: 'certificate',
    certificate: contact.leaf.der.toString('base64'),
    fingerprint,
    ...(issuer.kind === 'client-ca' ? { clientCa: issuer.clientCa.id } : {}),
  } as const;
  return { connector, identity, remoteAddress, issuer, fingerprint, question };
}
