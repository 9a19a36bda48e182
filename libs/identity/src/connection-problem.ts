import { errorCode } from '@sallyport/files';
import { blankUnprintable, Problem, type ProblemType } from '@sallyport/protocol';

export interface FailedExchange {
  readonly url: URL;
  readonly timeoutMs: number;
  /** What the user has to check when it is the wrong server: how it was chosen. Default `the URL`. */
  readonly chosenBy?: string;
}

/** In the texts below. */
const theUrl = 'the URL';

// A server may do so when it refuses a certificate, and also a port with another protocol.
const closedInSilence =
  'the server closed the connection without a word. It may refuse this device, and then its log says why; else check the port';

/** What a TLS or socket error means, and what to do about it. */
const causes: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there. Check host and port, and that the service runs',
  ENOTFOUND: 'the host name is unknown. Check the URL and the name service',
  EAI_AGAIN: 'the name service does not answer. Check the network',
  EHOSTUNREACH: 'there is no route to the host. Check the network',
  ENETUNREACH: 'there is no route to the host. Check the network',
  EADDRNOTAVAIL: 'there is no way to that address from here. Check the URL',
  ETIMEDOUT: 'no answer. Check host, port and firewall',
  ECONNRESET: closedInSilence,
  EPIPE: closedInSilence,
  'wrong version number': 'the port does not speak TLS. Check the port',
  'packet length too long': 'the port does not speak TLS. Check the port',
  HPE_INVALID_CONSTANT: 'the port speaks TLS but not HTTP. Check the port',
};

const certificateCauses: Readonly<Record<string, string>> = {
  SELF_SIGNED_CERT_IN_CHAIN: untrusted('its CA is not trusted here'),
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted('it is self-signed and not trusted here'),
  UNABLE_TO_GET_ISSUER_CERT: untrusted('its CA is not trusted here'),
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted('its CA is not trusted here'),
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted(
    'its CA is not trusted here, or the server does not send its intermediates',
  ),
  CERT_SIGNATURE_FAILURE: 'its signature is not from the CA it names. Check the URL, and do not trust this server',
  CERT_HAS_EXPIRED: 'it has expired. Check the clock of this machine, and renew the certificate on the server',
  CERT_NOT_YET_VALID: 'it is not valid yet. Check the clock of this machine',
  CERT_REVOKED: 'it has been revoked. Ask the operator of the server for a new one',
  INVALID_PURPOSE: 'it may not be used by a TLS server. Issue it with extended key usage serverAuth',
};

function untrusted(what: string): string {
  return `${what}. Check the URL, and use the CA certificate of that site (on its machine: sallyport ca export)`;
}

/** TLS alerts (RFC 8446 §6.2) with which a server refuses the certificate of this device. */
const refusedCertificate: Readonly<Record<string, string>> = {
  'certificate required': 'it wants a client certificate, and none was sent. Enrol first',
  'bad certificate': 'it does not accept the certificate of this device. Its log says why',
  'unsupported certificate': 'the certificate of this device is of a kind it does not take. Enrol again',
  'certificate revoked': 'the certificate of this device has been revoked. Enrol again with a new token',
  'certificate expired': 'the certificate of this device has expired. Check the clock, or enrol again with a new token',
  'certificate unknown': 'it does not accept the certificate of this device. Its log says why',
  'unknown ca': 'it does not know the CA of the certificate of this device. Check the URL, or enrol there',
  'access denied': 'it knows the certificate of this device and does not let it in. Its log says why',
};

/** The problem behind a failed connection: of TCP, of TLS, or of what the server says first. */
export function connectionProblem(error: unknown, exchange: FailedExchange, isTimeout: boolean): Problem {
  const { url, timeoutMs, chosenBy = theUrl } = exchange;
  if (isTimeout)
    return new Problem('unavailable', `${placeOf(url)} did not answer within ${timeoutMs / 1000} s. Try again later.`, {
      cause: error,
    });
  const code = codeOf(error);
  const { type, text } = meaningOf(error, code, url);
  return new Problem(type, `${text.replace(theUrl, chosenBy)}.`, { cause: error, extensions: { code } });
}

/** The URL without its path. It is no `origin`, because URLs like mqtts: have none. */
function placeOf({ protocol, host }: URL): string {
  return `${protocol}//${host}`;
}

function meaningOf(error: unknown, code: string, url: URL): { type: ProblemType; text: string } {
  const certificateCause = code === wrongName ? wrongNameCause(error, url) : certificateCauses[code];
  if (certificateCause !== undefined)
    return {
      type: 'certificate-rejected',
      text: `The certificate of ${placeOf(url)} was rejected: ${certificateCause}`,
    };
  const refusal = refusedCertificate[alertIn(code)];
  if (refusal !== undefined)
    return { type: 'credentials-invalid', text: `${placeOf(url)} ended the handshake: ${refusal}` };
  const cause = causes[code] ?? `${code}. Check the URL and the log of the server`;
  return { type: 'unavailable', text: `Cannot talk to ${placeOf(url)}: ${cause}` };
}

const wrongName = 'ERR_TLS_CERT_ALTNAME_INVALID';
// The text comes from a stranger. So make it printable and short.
const longestNames = 200;

/** Names the host names that the certificate holds. */
function wrongNameCause(error: unknown, { hostname }: URL): string {
  const { cert } = error instanceof Error && 'cert' in error ? error : {};
  const names =
    typeof cert === 'object' && cert !== null && 'subjectaltname' in cert ? String(cert.subjectaltname) : '';
  const holds = blankUnprintable(names).slice(0, longestNames);
  const others = holds === '' ? '' : `, not for ${hostname} but for ${holds}`;
  return `it is for another host name${others}. Use a name it holds, or have it issued with this one (a signer of Sallyport: setting pki.hostnames)`;
}

/** `certificate expired` of `ssl/tls alert certificate expired` and of `ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED`. */
function alertIn(code: string): string {
  return /alert[ _](.+)$/i.exec(code)?.[1]?.toLowerCase().replaceAll('_', ' ') ?? '';
}

function codeOf(error: unknown): string {
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  if (!(error instanceof Error)) return 'unknown failure';
  const code = errorCode(error);
  if (code === undefined) return error.message;
  // Only the text contains OpenSSL's own words: "...error:0A00010B:SSL routines:FUNCTION:wrong version number:FILE...".
  const [, reason] = /:SSL routines:[^:]*:([^:]+):/.exec(error.message) ?? [];
  return code === 'EPROTO' && reason !== undefined ? reason : code;
}
