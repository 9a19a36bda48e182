import type { z } from 'zod';

/** One operation of an admin API: where it is, what it takes and what it answers. Its description derives from it. */
export interface AdminRoute {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Parameters as `:name`. */
  readonly path: string;
  /** One sentence, for people who read the description. */
  readonly summary: string;
  /** Of the path, by name. */
  readonly parameters?: Readonly<Record<string, z.ZodType>>;
  readonly query?: z.ZodObject;
  /**
   * Whether the request names, in `If-Match`, the version it is about. When that is not the present one, nothing is
   * changed and the answer is 412 (RFC 9110 §13.1.1). The answers of such an operation have the header `ETag`.
   */
  readonly ifMatch?: 'optional' | 'required';
  /** A JSON body. */
  readonly request?: z.ZodType;
  /** JSON, or plain text of the media type in `textType`. Absent: 204, without a body. */
  readonly response?: z.ZodType;
  readonly textType?: string;
  /** HTTP status of success; 200, or 204 when there is no response. */
  readonly status?: number;
  /** Other statuses with the same response, because they are answers and not errors: 503 of `/readyz`. */
  readonly otherStatuses?: readonly number[];
}
