import { Controller } from '@nestjs/common';
import { RpcHandler } from '@sallyport/mqtt';
import {
  type AdmissionDecision,
  type AdmissionRequest,
  admitPeer,
  checkEnrolment,
  type EnrolmentDecision,
  type EnrolmentQuestion,
  isTokenAdmission,
  type RefusalReport,
  type ReportedContact,
  recordRefusal,
  reportContacts,
} from '@sallyport/protocol';
import { ContactAdmission } from '../contact/contact-admission.js';
import { LastContacts } from '../devices/last-contacts.js';
import { EnrolmentCheck } from './enrolment-check.js';
import { PeerAdmission } from './peer-admission.js';
import { RefusalRecorder } from './refusal-recorder.js';
import { TokenAdmission } from './token-admission.js';

/** What other services ask the registry (RPC over MQTT). */
@Controller()
export class AdmissionController {
  constructor(
    private readonly admission: PeerAdmission,
    private readonly contacts: ContactAdmission,
    private readonly tokens: TokenAdmission,
    private readonly enrolment: EnrolmentCheck,
    private readonly refusals: RefusalRecorder,
    private readonly lastContacts: LastContacts,
  ) {}

  @RpcHandler(admitPeer)
  async admit(request: AdmissionRequest): Promise<AdmissionDecision> {
    const { entrance, remoteAddress } = request;
    const decision = await this.decide(request);
    if (decision.outcome === 'admitted')
      this.lastContacts.note({ deviceId: decision.deviceId, entrance, remoteAddress });
    return decision;
  }

  @RpcHandler(checkEnrolment)
  async check(question: EnrolmentQuestion): Promise<EnrolmentDecision> {
    const reason = await this.enrolment.refusalOf(question);
    return reason === undefined ? { outcome: 'allowed' } : { outcome: 'refused', reason };
  }

  @RpcHandler(recordRefusal)
  async record(refusal: RefusalReport): Promise<Record<string, never>> {
    await this.refusals.note(refusal);
    return {};
  }

  @RpcHandler(reportContacts)
  reported({ contacts }: { readonly contacts: readonly ReportedContact[] }): Record<string, never> {
    for (const contact of contacts) this.lastContacts.take(contact);
    return {};
  }

  private decide(request: AdmissionRequest): Promise<AdmissionDecision> {
    if (isTokenAdmission(request)) return this.tokens.admit(request);
    const { connector } = request;
    return connector === undefined ? this.admission.admit(request) : this.contacts.admit(request, connector);
  }
}
