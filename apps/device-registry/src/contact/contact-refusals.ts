import { Injectable } from '@nestjs/common';
import type { CertificateAdmissionRequest, ConnectorName, DeviceId, RefusalReason } from '@sallyport/protocol';
import { Timeline } from '@sallyport/timeline';
import { RefusalRecorder } from '../admission/refusal-recorder.js';
import type { DeviceRecord } from '../devices/device-record.js';
import { protocolOf } from './contact-records.js';

/** Somebody else came with the name of a device. */
const conflicts: ReadonlySet<RefusalReason> = new Set([
  'name-conflict',
  'certificate-not-pinned',
  'certificate-superseded',
  'credential-mismatch',
]);

/** Who was refused at a connector. */
export interface RefusedContact {
  readonly connector: ConnectorName;
  readonly contact: Pick<CertificateAdmissionRequest, 'entrance' | 'remoteAddress'> &
    Partial<Pick<CertificateAdmissionRequest, 'fingerprint'>>;
  /** Absent: the contact ended before it had a name. */
  readonly identity?: DeviceId | undefined;
  /** Of its certificate, printable. It says whom it concerns when there is no identity yet. */
  readonly subject?: string | undefined;
}

/** Writes down who was refused at a connector, and tells of conflicts in the timeline of the device. */
@Injectable()
export class ContactRefusals {
  constructor(
    private readonly recorder: RefusalRecorder,
    private readonly timeline: Timeline,
  ) {}

  /** Never fails. Repeats are counted and not written. */
  async note({ connector, contact, identity, subject }: RefusedContact, reason: RefusalReason): Promise<void> {
    const { entrance, remoteAddress, fingerprint } = contact;
    const eventOf = ({ deviceId: device }: DeviceRecord) =>
      this.timeline.record({
        type: 'identity_conflict',
        device,
        connector,
        protocol: protocolOf(entrance),
        address: remoteAddress,
        ...(fingerprint === undefined ? {} : { fingerprint }),
        payload: { reason },
      });
    const refusal = { reason, entrance, remoteAddress, subject, fingerprint, deviceId: identity };
    await this.recorder.note(refusal, conflicts.has(reason) ? eventOf : undefined);
  }
}
