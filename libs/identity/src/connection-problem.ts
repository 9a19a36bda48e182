import { Problem } from '@sallyport/protocol';

interface FailedExchange {
  readonly url: URL;
  readonly timeoutMs: number;
}

/** What a TLS or socket error means, and what to do about it: the words behind "handshake failure". */
const causes: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there. Check host and port, and that the service runs (sallyport status)',
  ENOTFOUND: 'the host name is unknown. Check the URL and the name service',
  EAI_AGAIN: 'the name service does not answer. Check the network',
  EHOSTUNREACH: 'there is no route to the host. Check the network',
  ENETUNREACH: 'there is no route to the host. Check the network',
  ETIMEDOUT: 'no answer. Check host, port and firewall',
  ECONNRESET: 'the server closed the connection. Check that the port speaks HTTPS, and the log of the server',
  EPIPE: 'the server closed the connection. Check that the port speaks HTTPS, and the log of the server',
  'wrong version number': 'the port does not speak TLS. Check the port',
  'packet length too long': 'the port does not speak TLS. Check the port',
};

const certificateCauses: Readonly<Record<string, string>> = {
  SELF_SIGNED_CERT_IN_CHAIN: 'its CA is not trusted here. Pass the right CA file, or a token of this site',
  DEPTH_ZERO_SELF_SIGNED_CERT:
    'it is self-signed and not trusted here. Pass the right CA file, or a token of this site',
  UNABLE_TO_GET_ISSUER_CERT: 'its CA is not trusted here. Pass the right CA file, or a token of this site',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its CA is not trusted here. Pass the right CA file, or a token of this site',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its CA is not trusted here, or the server does not send its intermediates',
  CERT_SIGNATURE_FAILURE: 'its signature is not from the CA it names. Do not trust this server',
  CERT_HAS_EXPIRED: 'it has expired. Renew it on the server, and check the clock of this machine',
  CERT_NOT_YET_VALID: 'it is not valid yet. Check the clock of this machine',
  CERT_REVOKED: 'it has been revoked',
  INVALID_PURPOSE: 'it may not be used by a TLS server. Issue it with extended key usage serverAuth',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'it is for another host name. Use a name it holds, or issue it with this name as subjectAltName',
};

/** The problem behind a failed connection. */
export function connectionProblem(error: unknown, { url, timeoutMs }: FailedExchange, isTimeout: boolean): Problem {
  if (isTimeout)
    return new Problem('unavailable', `${url.origin} did not answer within ${timeoutMs / 1000} s. Try again later.`, {
      cause: error,
    });
  const code = codeOf(error);
  const certificateCause = certificateCauses[code];
  if (certificateCause !== undefined)
    return new Problem('certificate-rejected', `The certificate of ${url.origin} was rejected: ${certificateCause}.`, {
      cause: error,
      extensions: { code },
    });
  const cause = causes[code] ?? `${code}. Check the URL and the log of the server`;
  return new Problem('unavailable', `Cannot talk to ${url.origin}: ${cause}.`, { cause: error, extensions: { code } });
}

function codeOf(error: unknown): string {
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  if (!(error instanceof Error)) return 'unknown failure';
  if (!('code' in error) || typeof error.code !== 'string') return error.message;
  // OpenSSL's own words stand in the text only: "...error:0A00010B:SSL routines:FUNCTION:wrong version number:FILE...".
  const [, reason] = /:SSL routines:[^:]*:([^:]+):/.exec(error.message) ?? [];
  return error.code === 'EPROTO' && reason !== undefined ? reason : error.code;
}
