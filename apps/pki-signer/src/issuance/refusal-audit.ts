import { hash } from 'node:crypto';
import { type DeviceId, Problem } from '@sallyport/protocol';
import type { SignerAuditLog } from '../audit/signer-audit.js';
import type { SignerMetrics } from './signer-metrics.js';

/** A request, and who sent it. */
export interface WatchedRequest {
  readonly actor: string;
  readonly subject: DeviceId;
  /** PKCS#10, DER. */
  readonly csr: Buffer;
}

/** Counts refused requests for a certificate, and writes them to the audit log. */
export class RefusalAudit {
  constructor(
    private readonly audit: SignerAuditLog,
    private readonly metrics: SignerMetrics,
  ) {}

  /** Does the work. A refusal that is the fault of the request is in the audit log before the client hears of it. */
  async watch<Result>(request: WatchedRequest, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Problem && error.status < 500) await this.record(request, error);
      throw error;
    }
  }

  private async record({ actor, subject, csr }: WatchedRequest, problem: Problem): Promise<void> {
    this.metrics.rejected.inc({ reason: problem.type });
    const details = { reason: problem.type, detail: problem.message, csrDigest: hash('sha256', csr) };
    await this.audit.commit({
      entries: [{ action: 'request-refused', actor, subject, outcome: 'refused', details }],
    });
  }
}
