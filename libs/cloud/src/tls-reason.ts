import { errorCode } from '@sallyport/files';

/** The TLS alert the other side sent (RFC 8446 §6.2), in words: `certificate expired`; undefined when there is none. */
export function tlsAlert(error: unknown): string | undefined {
  return /alert[ _](.+)$/i
    .exec(opensslReason(error) ?? errorCode(error) ?? '')?.[1]
    ?.toLowerCase()
    .replaceAll('_', ' ');
}

/** What OpenSSL says in its own words: `wrong version number`; undefined for an error from elsewhere. */
export function opensslReason(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  // "…error:0A00010B:SSL routines:FUNCTION:wrong version number:FILE:LINE:…"
  const [, reason] = /:SSL routines:[^:]*:([^:]+):/.exec(error.message) ?? [];
  const [, code] = /^ERR_SSL_(.+)$/.exec(errorCode(error) ?? '') ?? [];
  return reason ?? code?.toLowerCase().replaceAll('_', ' ');
}
