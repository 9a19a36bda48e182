import { estChainPreference, estPath, type Fingerprint, Problem } from '@sallyport/protocol';
import { type Certificate, certificatesFromPem, pemFromDer } from '@sallyport/x509';
import { certificatesFromEstBody, estBody } from './est-body.js';
import { type Asked, answerProblem } from './est-problem.js';
import { exchange, type HttpsAnswer, type HttpsExchange } from './https-exchange.js';

/** Which server to trust: known roots, or, at the first contact, the one root with this SHA-256. */
export type EstTrust = { readonly rootsPem: readonly string[] } | { readonly caFingerprint: Fingerprint };

export interface EstClientOptions {
  /** `https://host:port`, or with a path that ends in `/.well-known/est` or `/.well-known/est/LABEL`. */
  readonly url: string;
  readonly trust: EstTrust;
  /** Deadline of each request; 30 s when absent. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const defaultTimeoutMs = 30_000;

const requestHeaders = {
  'Content-Type': 'application/pkcs10',
  // It has no meaning since RFC 8951 §3, but some servers answer 415 without it.
  'Content-Transfer-Encoding': 'base64',
  // Without it, the answer holds only the certificate. Some signers have no issuing CA in `cacerts`.
  Prefer: estChainPreference,
};

/**
 * Client of an EST server (RFC 7030): CA certificates, enrolment by one-time password, renewal by certificate.
 *
 * All requests but one need a server certificate that leads to a trusted root and holds the host name. The exception is
 * the first contact by fingerprint. It asks for the public CA certificates and sends nothing secret. The answer is used
 * only if one of its roots has the expected SHA-256 (RFC 7030 §4.1.1).
 */
export class EstClient {
  private readonly base: URL;
  private readonly options: EstClientOptions;
  private rootsPem: readonly string[] | undefined;

  /** @throws Problem `invalid-request`: the URL is not https */
  constructor(options: EstClientOptions) {
    this.base = estBase(options.url);
    this.options = options;
    this.rootsPem = 'rootsPem' in options.trust ? options.trust.rootsPem : undefined;
  }

  /**
   * The CA certificates the server publishes: roots and issuing CAs (RFC 7030 §4.1), over a verified connection.
   *
   * @throws Problem `certificate-rejected`: the server is not trusted, or its answer holds no certificates
   * @throws Problem `unavailable`: no answer in time; safe to retry
   */
  async caCertificates(): Promise<Certificate[]> {
    const answer = await this.request('cacerts', { method: 'GET' });
    return certificatesFromEstBody(this.accepted(answer));
  }

  /**
   * Sends a CSR with the one-time password of the device (RFC 7030 §4.2.1).
   *
   * @param csrDer PKCS#10. The same bytes get the same certificate again
   * @returns the certificates of the answer, in its order; the caller finds the leaf
   * @throws Problem `credentials-invalid`, `csr-rejected`, `csr-forbidden`: nothing was issued; do not ask again
   * @throws Problem `unavailable`, `rate-limited`: ask again after `retryAfterSeconds`; also for 202
   */
  async simpleEnroll(
    csrDer: Buffer,
    { username, password }: { readonly username: string; readonly password: string },
  ): Promise<Certificate[]> {
    // RFC 7617 §2: user-id, one colon, password, in UTF-8.
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    return this.enroll('simpleenroll', csrDer, { headers: { authorization } });
  }

  /**
   * Renews the certificate the connection is made with (RFC 7030 §4.2.2).
   *
   * @throws Problem as `simpleEnroll`
   */
  async simpleReenroll(
    csrDer: Buffer,
    { certPem, keyPem }: { readonly certPem: string; readonly keyPem: string },
  ): Promise<Certificate[]> {
    return this.enroll('simplereenroll', csrDer, { client: { cert: certPem, key: keyPem } });
  }

  private async enroll(
    operation: string,
    csrDer: Buffer,
    { headers, client }: { headers?: Record<string, string>; client?: { cert: string; key: string } },
  ): Promise<Certificate[]> {
    const answer = await this.request(operation, {
      method: 'POST',
      headers: { ...headers, ...requestHeaders },
      body: estBody(csrDer),
      ...(client === undefined ? {} : { client }),
    });
    return certificatesFromEstBody(this.accepted(answer, { withToken: headers !== undefined }));
  }

  private async request(
    operation: string,
    {
      client,
      ...request
    }: Pick<HttpsExchange, 'method' | 'headers' | 'body'> & { client?: { cert: string; key: string } },
  ): Promise<HttpsAnswer> {
    const ca = await this.roots();
    const tls = { ca, rejectUnauthorized: true, ...client };
    return exchange({ ...request, url: this.urlOf(operation), tls, ...this.limits });
  }

  /** The roots to verify with. At the first contact they are found by their fingerprint, and kept. */
  private async roots(): Promise<readonly string[]> {
    this.rootsPem ??= [await this.rootByFingerprint()];
    return this.rootsPem;
  }

  private async rootByFingerprint(): Promise<string> {
    const { trust } = this.options;
    const wanted = 'caFingerprint' in trust ? trust.caFingerprint : undefined;
    const answer = await exchange({
      url: this.urlOf('cacerts'),
      method: 'GET',
      tls: { ca: [], rejectUnauthorized: false },
      ...this.limits,
    });
    const root = certificatesFromEstBody(this.accepted(answer)).find(({ fingerprint }) => fingerprint === wanted);
    if (root?.isCa !== true)
      throw new Problem(
        'certificate-rejected',
        `${this.base.origin} does not hold the CA this token was made for; nothing secret was sent. Check the URL, and ask for a token of the site it belongs to.`,
      );
    return pemFromDer('CERTIFICATE', root.der);
  }

  private accepted(answer: HttpsAnswer, { withToken }: Pick<Asked, 'withToken'> = { withToken: false }): Buffer {
    // RFC 7030 §4.1.3, §4.2.3: only 200 is success; 202 means not yet.
    if (answer.status !== 200) throw answerProblem(answer, { origin: this.base.origin, withToken });
    return answer.body;
  }

  private urlOf(operation: string): URL {
    return new URL(`${this.base.pathname}/${operation}`, this.base);
  }

  private get limits(): Pick<HttpsExchange, 'timeoutMs' | 'signal'> {
    const { timeoutMs = defaultTimeoutMs, signal } = this.options;
    return { timeoutMs, ...(signal === undefined ? {} : { signal }) };
  }
}

function estBase(text: string): URL {
  const url = URL.parse(text);
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '')
    throw new Problem(
      'invalid-request',
      `"${withoutCredentials(text)}" is not an EST server: write https://HOST:PORT.`,
    );
  const path = url.pathname.replace(/\/+$/, '');
  return new URL(path.includes(estPath) ? path : `${path}${estPath}`, url.origin);
}

function withoutCredentials(url: string): string {
  return url.replace(/\/\/.*@/s, '//');
}

/** The roots in the text of a CA file, in PEM. */
export function trustFromPem(pem: string): EstTrust {
  return { rootsPem: certificatesFromPem(pem).map(({ der }) => pemFromDer('CERTIFICATE', der)) };
}
