import { hash } from 'node:crypto';
import { type DeviceId, Problem } from '@sallyport/protocol';
import type { SignerAuditLog } from '../audit/signer-audit.js';
import type { SignerMetrics } from './signer-metrics.js';

/** Whose request it is, and what it was. */
export interface WatchedRequest {
  readonly actor: string;
  readonly subject: DeviceId;
  /** PKCS#10, DER. */
  readonly csr: Buffer;
}

/** Counts requests for a certificate that are turned away, and writes them into the audit log. */
export class RefusalLog {
  constructor(
    private readonly audit: SignerAuditLog,
    private readonly metrics: SignerMetrics,
  ) {}

  /** Does the work; what the requester could mend is written down before it is told. */
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
