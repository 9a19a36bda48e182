import { KeyedSerialQueue } from '@sallyport/concurrency';
import type { DeviceId, EnrolmentQuestion } from '@sallyport/protocol';
import type { Hierarchy } from '../authority/hierarchy.js';
import type { CertificateRecord } from '../inventory/certificate-record.js';
import { type CertificateIssuer, type IssueOrder, peerKindOf } from './certificate-issuer.js';
import { type IncomingRequest, readRequest } from './incoming-request.js';
import type { RefusalAudit } from './refusal-audit.js';
import type { RegistryGate } from './registry-gate.js';
import type { SignerMetrics } from './signer-metrics.js';
import { untilStored } from './until-stored.js';

/** Who asks for a certificate. */
export interface Requester {
  /** For the audit log, such as `device:child01@192.0.2.7`. */
  readonly actor: string;
  /** The name the certificate is for. */
  readonly subject: DeviceId;
}

/**
 * One request for a certificate. It brings the steps in which enrolment, renewal and signing for an administrator
 * differ. They run in the order in which they are listed here.
 */
export interface CertificateApplication<Caller extends Requester, Grant> {
  /** PKCS#10, DER. */
  readonly csr: Buffer;
  /** Values of the connection, base64. Only called when the CSR has a challenge password. */
  readonly channelBindings: () => readonly string[];
  /** Requests with the same key are taken one after the other. */
  readonly queueKey: string;
  /** Counts the request against the limits of its caller. */
  limit(): void;
  /** Finds out who asks. A refusal here is not in the audit log, because it is not known whose request it was. */
  authenticate(): Promise<Caller>;
  /** Decides whether this caller may get a certificate at all. */
  authorize(caller: Caller): Promise<Grant>;
  /**
   * The certificate that the same request got before, because that answer may be lost. Undefined when there is none.
   */
  findEarlier(grant: Grant): Promise<CertificateRecord | undefined>;
  /** Asks in its own way whether the name may have a certificate; by default the device registry decides. */
  requireAllowed?(grant: Grant, question: EnrolmentQuestion): Promise<void>;
  /** Checks what the CSR asks for, and says what to issue. */
  orderFor(grant: Grant, incoming: IncomingRequest): IssueOrder;
}

export interface IssuanceOptions {
  readonly hierarchy: Hierarchy;
  readonly registry: RegistryGate;
  readonly issuer: CertificateIssuer;
  readonly refusals: RefusalAudit;
  readonly metrics: SignerMetrics;
}

/** The steps of every CSR from outside, from its arrival to the stored certificate. */
export class Issuance {
  private readonly queue = new KeyedSerialQueue();

  constructor(private readonly options: IssuanceOptions) {}

  /**
   * Issues a certificate, or finds the one that this request got before. If a condition changes before the certificate
   * is stored (another replica used the token), everything from `authenticate` on runs again.
   *
   * @throws Problem of the step that refused; after `authenticate` it is in the audit log too
   * @throws Problem `csr-rejected`, `csr-forbidden`: the CSR is unreadable or breaks the profile; nothing was signed
   * @throws Problem `forbidden`, `unavailable`: the device registry refuses the name, or does not answer
   * @throws Problem `signing-key-unavailable`: no CA can sign
   */
  async issue<Caller extends Requester, Grant>(
    application: CertificateApplication<Caller, Grant>,
  ): Promise<CertificateRecord> {
    const { refusals, metrics, registry, issuer } = this.options;
    const { csr, channelBindings } = application;
    application.limit();
    return this.inTurn(application.queueKey, async () => {
      const caller = await application.authenticate();
      return refusals.watch({ actor: caller.actor, subject: caller.subject, csr }, async () => {
        const grant = await application.authorize(caller);
        const earlier = await application.findEarlier(grant);
        if (earlier !== undefined) return earlier;
        const incoming = await metrics.timed('verify', () => readRequest(csr, channelBindings));
        const order = application.orderFor(grant, incoming);
        const { name, profile, reinstate } = order;
        const question = { deviceId: name, kind: peerKindOf(profile), reinstate };
        await (application.requireAllowed?.(grant, question) ?? registry.require(question));
        // Checks the profile, writes the intent to the audit log, signs, and stores everything in one transaction.
        return issuer.issue(order);
      });
    });
  }

  /**
   * Requests of one caller wait for each other, so that wrong secrets are counted one by one and nothing is signed
   * twice.
   */
  private inTurn(queueKey: string, attempt: () => Promise<CertificateRecord | undefined>): Promise<CertificateRecord> {
    return this.queue.run(queueKey, () => untilStored(this.options.hierarchy, attempt));
  }
}
