import { z } from 'zod';

/** What went wrong for a caller, by stable slug: title and HTTP status (RFC 9457). */
export const problems = {
  'invalid-request': { status: 400, title: 'The request is not valid' },
  'csr-rejected': { status: 400, title: 'The certificate signing request was rejected' },
  'certificate-rejected': { status: 400, title: 'The certificate was rejected' },
  'config-invalid': { status: 400, title: 'The configuration is not valid' },
  'credentials-invalid': { status: 401, title: 'The credentials are missing or wrong' },
  forbidden: { status: 403, title: 'Not allowed' },
  'csr-forbidden': { status: 403, title: 'The certificate signing request asks for more than is allowed' },
  'not-found': { status: 404, title: 'Not found' },
  'method-not-allowed': { status: 405, title: 'Method not allowed' },
  conflict: { status: 409, title: 'The request conflicts with the present state' },
  'precondition-failed': { status: 412, title: 'A precondition of the request does not hold' },
  'too-large': { status: 413, title: 'The request is too large' },
  'unsupported-media-type': { status: 415, title: 'The content type is not supported' },
  'range-not-satisfiable': { status: 416, title: 'The range cannot be served' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  'headers-too-large': { status: 431, title: 'The request headers are too large' },
  internal: { status: 500, title: 'Internal error' },
  'bad-gateway': { status: 502, title: 'The server behind gave no valid answer' },
  unavailable: { status: 503, title: 'Not available at the moment; try again later' },
  'signing-key-unavailable': { status: 503, title: 'The signing key is not available' },
  'site-incomplete': { status: 503, title: 'The state of this site is not complete' },
  'gateway-timeout': { status: 504, title: 'The server behind gave no answer in time' },
  'storage-full': { status: 507, title: 'The storage is full' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemType = keyof typeof problems;

const urnPrefix = 'urn:sallyport:problem:';

const problemType = z.string().transform((urn, context): ProblemType => {
  const slug = urn.slice(urnPrefix.length);
  if (urn.startsWith(urnPrefix) && isProblemType(slug)) return slug;
  context.addIssue({ code: 'custom', message: 'is no problem of ours' });
  return z.NEVER;
});

/** The RFC 9457 object of a problem as `toJSON` writes it, its type without the URN; further members are its extensions. */
export const problemDocument = z.looseObject({
  type: problemType,
  title: z.string(),
  status: z.number(),
  detail: z.string(),
});

function isProblemType(slug: string): slug is ProblemType {
  return Object.hasOwn(problems, slug);
}

export interface ProblemOptions extends ErrorOptions {
  /** Seconds after which the same request may succeed (`Retry-After`). */
  readonly retryAfterSeconds?: number;
  /** Values a program can act on; shown to the caller, so never a secret or a disk path. */
  readonly extensions?: Readonly<Record<string, unknown>>;
}

/**
 * A fault the caller can act on. `message` (the RFC 9457 `detail`) says what happened, with which value, and what to do;
 * it reaches the caller, so it never holds a secret, a disk path or a stack. Its `cause` stays inside.
 */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly type: ProblemType;
  readonly retryAfterSeconds: number | undefined;
  readonly extensions: Readonly<Record<string, unknown>>;

  constructor(type: ProblemType, detail: string, options: ProblemOptions = {}) {
    super(detail, options);
    this.type = type;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.extensions = options.extensions ?? {};
  }

  get status(): number {
    return problems[this.type].status;
  }

  /** The RFC 9457 object (`application/problem+json`). */
  toJSON(): Record<string, unknown> {
    const { status, title } = problems[this.type];
    return { ...this.extensions, type: `${urnPrefix}${this.type}`, title, status, detail: this.message };
  }
}
