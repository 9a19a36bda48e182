import { z } from 'zod';

/**
 * Name of a device, service or administrator: the one CN of its certificate.
 *
 * Letters, digits and the marks thin-edge.io allows (`' = ( ) , - . ? % * _ ! @`) plus `:` (EUI and MAC ids).
 * Starts with a letter or digit, holds no `..`, 1 to 64 bytes (X.520 ub-common-name). So it can stand in an MQTT
 * topic level (no `/ + #`), in a path segment and in a log line without escaping.
 */
export const deviceId = z
  .string()
  .min(1, 'is empty')
  .max(64, 'is longer than 64 bytes')
  .regex(/^[A-Za-z0-9]/, 'does not start with a letter or digit')
  .regex(/^[A-Za-z0-9'=(),\-.?%*_!@:]*$/, "holds a character outside letters, digits and ' = ( ) , - . ? % * _ ! @ :")
  .refine((id) => !id.includes('..'), 'holds ".."')
  .brand('DeviceId');
export type DeviceId = z.infer<typeof deviceId>;

/** SHA-256 over a certificate's DER, 64 lower-case hexadecimal digits. */
export const fingerprint = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in lower-case hexadecimal')
  .brand('Fingerprint');
export type Fingerprint = z.infer<typeof fingerprint>;

/** A CA by its key and name, whatever certificate it has at the moment: `ca:` and a SHA-256 in hexadecimal. */
export const authorityId = z
  .string()
  .regex(/^ca:[0-9a-f]{64}$/, 'is not "ca:" and a SHA-256 in lower-case hexadecimal')
  .brand('AuthorityId');
export type AuthorityId = z.infer<typeof authorityId>;

/** Certificate serial number: lower-case hexadecimal of its octets, no separators (RFC 5280 §4.1.2.2: at most 20). */
export const serialNumber = z
  .string()
  .regex(/^(?:[0-9a-f]{2}){1,20}$/, 'is not 1 to 20 octets in lower-case hexadecimal')
  .brand('SerialNumber');
export type SerialNumber = z.infer<typeof serialNumber>;

/** What kind of party a certificate stands for; decided by the issuing CA and profile, never by the peer. */
export const peerKind = z.enum(['device', 'service', 'admin']);
export type PeerKind = z.infer<typeof peerKind>;

/**
 * Lifecycle state of a device in the registry. `pending-approval`: it has come, and waits for an administrator.
 * `expired`: it was expected until a moment, and did not come.
 */
export const deviceState = z.enum(['active', 'pending-approval', 'locked', 'revoked', 'retired']);
export type DeviceState = z.infer<typeof deviceState>;

/** Names that `secure` enrols in addition to the services: for programs of this machine, and for its administrator. */
export const localIdentityName = z.enum(['local-client', 'operator']);

/** Security level of a listener, chosen by which of its settings are present. */
export const securityLevel = z.enum(['plain', 'server', 'mutual']);
export type SecurityLevel = z.infer<typeof securityLevel>;
