import { z } from 'zod';

/**
 * What an administrator may do on the network. `viewer` reads. `operator` looks after devices: locks, approves, tags.
 * `admin` also decides who is trusted: CAs, connectors, certificates. Each may do what those before it may.
 */
export const adminRole = z.enum(['viewer', 'operator', 'admin']);
export type AdminRole = z.infer<typeof adminRole>;

/** One operation of an admin API: where it is, what it takes and what it answers. Its description derives from it. */
export interface AdminRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Parameters as `:name`. The last one may be `*name`: it takes one segment or more, with the `/` between them. */
  readonly path: string;
  /** One sentence, for people who read the description. */
  readonly summary: string;
  /** The least role that may use it on the network. Absent: `viewer` for GET, and `admin` for all others. */
  readonly role?: AdminRole;
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

/** The least role that may use an operation on the network. */
export function roleFor({ method, role }: Pick<AdminRoute, 'method' | 'role'>): AdminRole {
  return role ?? (method === 'GET' ? 'viewer' : 'admin');
}
