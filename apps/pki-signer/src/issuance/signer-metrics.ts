import type { ServiceContext } from '@sallyport/runtime';
import { Counter, Gauge, Histogram } from 'prom-client';

type Registry = ServiceContext['metrics'];

/** The phases of an issuance whose time is measured. */
export type IssuePhase = 'verify' | 'policy' | 'sign' | 'store';

/** Why a request was allowed. */
export type Provisioner = 'token' | 'renewal' | 'admin' | 'signer';

/** What the signer counts. Label values are few and never chosen by a client. */
export class SignerMetrics {
  readonly issued: Counter<'profile' | 'provisioner' | 'key'>;
  readonly rejected: Counter<'reason'>;
  readonly estRequests: Counter<'op' | 'code' | 'ua'>;
  readonly failedTokens: Counter;
  readonly crlAgeSeconds: Gauge<'ca'>;
  readonly crlBytes: Gauge<'ca'>;
  readonly crlEntries: Gauge<'ca'>;
  readonly authorityEnd: Gauge<'ca'>;
  private readonly issueSeconds: Histogram<'phase'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.issued = new Counter({
      name: 'sallyport_pki_issued_total',
      help: 'Certificates issued',
      labelNames: ['profile', 'provisioner', 'key'],
      registers,
    });
    this.rejected = new Counter({
      name: 'sallyport_pki_rejected_total',
      help: 'Requests for a certificate turned away',
      labelNames: ['reason'],
      registers,
    });
    this.issueSeconds = new Histogram({
      name: 'sallyport_pki_issue_seconds',
      help: 'Time an issuance takes, by phase',
      labelNames: ['phase'],
      buckets: [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1],
      registers,
    });
    this.estRequests = new Counter({
      name: 'sallyport_pki_est_requests_total',
      help: 'EST requests',
      labelNames: ['op', 'code', 'ua'],
      registers,
    });
    this.failedTokens = new Counter({
      name: 'sallyport_pki_otp_failures_total',
      help: 'Enrolments with a wrong or worthless one-time token',
      registers,
    });
    const gauge = (name: string, help: string) => new Gauge({ name, help, labelNames: ['ca'], registers });
    this.crlAgeSeconds = gauge('sallyport_pki_crl_age_seconds', 'Time since the CRL was built');
    this.crlBytes = gauge('sallyport_pki_crl_size_bytes', 'Size of the CRL');
    this.crlEntries = gauge('sallyport_pki_crl_entries', 'Certificates on the CRL');
    this.authorityEnd = gauge('sallyport_pki_ca_not_after_seconds', 'End of a CA certificate, Unix time');
  }

  /** Measures one phase, whether it succeeds or fails. */
  async timed<Result>(phase: IssuePhase, work: () => Result | Promise<Result>): Promise<Result> {
    const stop = this.issueSeconds.startTimer({ phase });
    try {
      return await work();
    } finally {
      stop();
    }
  }
}
