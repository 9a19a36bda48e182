import { errorCode } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import type { CloudConnection, HostAndPort } from './cloud-connection.js';
import type { CloudFault, CloudFaultCode } from './cloud-fault.js';
import { commandForCertificate } from './cloud-identity.js';
import { type DeviceCertificate, deviceCertificateOf } from './device-certificate.js';
import { CloudDialError } from './dial-error.js';
import { placeText } from './host-and-port.js';
import { answersAt, lookAtServer, type SeenCertificate } from './look-at-server.js';
import { opensslReason, tlsAlert } from './tls-reason.js';

export interface ExplainOptions {
  /** Default: now. */
  readonly now?: Date;
  /**
   * Whether it may dial again to say more: whether port 443 answers, and who issued the certificate of the server. It
   * takes up to 5 s and shows nothing of this device. Default false.
   */
  readonly mayProbe?: boolean;
}

interface Case {
  readonly connection: CloudConnection;
  readonly place: HostAndPort;
  readonly now: Date;
  readonly mayProbe: boolean;
}

/**
 * Says in words why a connection to a cloud failed, and what to do about it, with the exact command. Settings of a
 * profile are named in full.
 *
 * @param error what `dialCloud` threw, or the first error of the socket it returned
 */
export async function explainCloudFault(
  error: unknown,
  connection: CloudConnection,
  options: ExplainOptions = {},
): Promise<CloudFault> {
  if (error instanceof Problem) return ofProblem(error);
  const { now = new Date(), mayProbe = false } = options;
  if (!(error instanceof CloudDialError))
    return ofSession(error, { connection, place: connection.mqtt, now, mayProbe });
  const circumstances = { connection, place: error.place, now, mayProbe };
  if (error.stage === 'proxy') return ofProxy(error, circumstances);
  if (error.isTimeout) return ofTimeout(error, circumstances);
  return error.stage === 'connect' ? ofNetwork(error.cause, circumstances) : ofHandshake(error.cause, circumstances);
}

/** A fault of settings or files: it has said already what to do. */
function ofProblem({ message, extensions }: Problem): CloudFault {
  const end = message.search(/[.;] (?=[A-Z])/) + 1;
  const [what, advice] = end === 0 ? [message, ''] : [message.slice(0, end), message.slice(end + 1)];
  const { code } = extensions;
  return { code: fileFaults.find((known) => known === code) ?? 'settings', what, advice };
}

const fileFaults: readonly CloudFaultCode[] = [
  'roots-missing',
  'key-missing',
  'key-mismatch',
  'device-certificate-missing',
];

function ofProxy({ cause, proxyStatus, isTimeout }: CloudDialError, { place }: Case): CloudFault {
  const proxy = `The HTTP proxy ${placeText(place)} (proxy.address)`;
  if (proxyStatus === 407)
    return {
      code: 'proxy-credentials',
      what: `${proxy} does not accept the user name and password (status 407).`,
      advice: 'Set both: tedge config set proxy.username USER, tedge config set proxy.password PASSWORD',
    };
  if (proxyStatus !== undefined)
    return {
      code: 'proxy-refused',
      what: `${proxy} refused the tunnel to the cloud (status ${proxyStatus}).`,
      advice:
        'Have its administrator allow CONNECT to the host and port of the cloud, or reach the cloud without it: tedge config set proxy.no_proxy HOST',
    };
  const reason = isTimeout ? 'did not answer in time' : `cannot be used: ${reasonText(cause)}`;
  return {
    code: 'proxy-unreachable',
    what: `${proxy} ${reason}.`,
    advice: 'Check its address: tedge config set proxy.address HOST:PORT',
  };
}

async function ofTimeout({ stage }: CloudDialError, circumstances: Case): Promise<CloudFault> {
  const { place, mayProbe } = circumstances;
  if (stage === 'handshake')
    return {
      code: 'timeout',
      what: `${placeText(place)} took the connection and did not answer the TLS handshake in time.`,
      advice: 'Check that the port is right, and that no firewall inspects the traffic. Then try again.',
    };
  const what = `${placeText(place)} does not answer.`;
  const advice = `A firewall may block port ${place.port}: allow connections to ${placeText(place)}.`;
  if (place.port === 443 || !mayProbe) return { code: 'port-blocked', what, advice };
  const isUp = await answersAt({ host: place.host, port: 443 });
  const found = isUp
    ? 'Port 443 of that host answers, so only this port is blocked.'
    : 'Port 443 does not answer either.';
  return { code: 'port-blocked', what: `${what} ${found}`, advice };
}

function ofNetwork(cause: unknown, { connection, place }: Case): CloudFault {
  const { settingNames, commandToSet } = connection;
  switch (systemCodeOf(cause)) {
    case 'ENOTFOUND':
      return {
        code: 'name-unknown',
        what: `The host name ${place.host} (${settingNames.url}) is unknown.`,
        advice: `Check it for typing mistakes: ${commandToSet('url', 'HOST')}`,
      };
    case 'EAI_AGAIN':
      return {
        code: 'name-unknown',
        what: `No name service answers, so ${place.host} cannot be found.`,
        advice: 'Check the network, and the name servers in /etc/resolv.conf.',
      };
    case 'ECONNREFUSED':
      return {
        code: 'refused',
        what: `Nothing listens at ${placeText(place)}.`,
        advice: `Check host and port: ${commandToSet('url', 'HOST')}`,
      };
    case 'ETIMEDOUT':
      return {
        code: 'port-blocked',
        what: `${placeText(place)} does not answer.`,
        advice: `A firewall may block port ${place.port}: allow connections to ${placeText(place)}.`,
      };
    default:
      return {
        code: 'unreachable',
        what: `${placeText(place)} cannot be reached: ${reasonText(cause)}.`,
        advice: 'Check the network of this machine.',
      };
  }
}

async function ofHandshake(cause: unknown, circumstances: Case): Promise<CloudFault> {
  const code = errorCode(cause) ?? '';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return wrongName(cause, circumstances);
  const verdict = serverVerdicts.get(code);
  if (verdict !== undefined) return ofServerCertificate(verdict, circumstances);
  return ofSession(cause, circumstances);
}

/** What OpenSSL says about the certificate of a server. */
const serverVerdicts: ReadonlyMap<string, CloudFaultCode> = new Map([
  ['SELF_SIGNED_CERT_IN_CHAIN', 'server-untrusted'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'server-untrusted'],
  ['UNABLE_TO_GET_ISSUER_CERT', 'server-untrusted'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'server-untrusted'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'server-untrusted'],
  ['CERT_UNTRUSTED', 'server-untrusted'],
  ['CERT_HAS_EXPIRED', 'server-certificate-expired'],
  ['CERT_NOT_YET_VALID', 'server-certificate-not-yet-valid'],
  ['INVALID_CA', 'server-certificate-unusable'],
  ['INVALID_PURPOSE', 'server-certificate-unusable'],
  ['CERT_SIGNATURE_FAILURE', 'server-certificate-unusable'],
  ['CERT_REVOKED', 'server-certificate-unusable'],
  ['CERT_CHAIN_TOO_LONG', 'server-certificate-unusable'],
  ['PATH_LENGTH_EXCEEDED', 'server-certificate-unusable'],
]);

async function ofServerCertificate(code: CloudFaultCode, circumstances: Case): Promise<CloudFault> {
  const { connection, place, now, mayProbe } = circumstances;
  const seen = mayProbe ? await lookAtServer(connection, place) : undefined;
  const whose = `The certificate of ${placeText(place)}`;
  const clock = `The clock of this machine says ${now.toISOString()}. If that is wrong, correct it: timedatectl set-ntp true`;
  if (code === 'server-certificate-expired')
    return {
      code,
      what: `${whose} has expired${dated(seen?.notAfter)}.`,
      advice: `${clock}. Else the cloud must renew it.`,
    };
  if (code === 'server-certificate-not-yet-valid')
    return { code, what: `${whose} is not valid yet${dated(seen?.notBefore)}.`, advice: `${clock}.` };
  if (code === 'server-certificate-unusable')
    return {
      code,
      what: `${whose} cannot be used to prove who the server is.`,
      advice: `Check the host: ${connection.commandToSet('url', 'HOST')}. Something between may answer in the name of the cloud.`,
    };
  return untrusted(whose, seen, connection);
}

function untrusted(whose: string, seen: SeenCertificate | undefined, connection: CloudConnection): CloudFault {
  const { rootCertPath, settingNames, commandToSet } = connection;
  const issuer = seen === undefined ? 'its issuer' : `its issuer (${seen.issuer})`;
  return {
    code: 'server-untrusted',
    what: `${whose} is not trusted: ${issuer} is none of the CAs at ${rootCertPath} (${settingNames.rootCertPath}).`,
    advice: `Get the CA certificate of the cloud and name its file or directory: ${commandToSet('rootCertPath', 'PATH')}`,
  };
}

function dated(date: Date | undefined): string {
  return date === undefined ? '' : ` (${date.toISOString()})`;
}

const longestNames = 200;

function wrongName(cause: unknown, { connection, place }: Case): CloudFault {
  const { cert } = cause instanceof Error && 'cert' in cause ? cause : {};
  const names =
    typeof cert === 'object' && cert !== null && 'subjectaltname' in cert ? String(cert.subjectaltname) : '';
  const others = names === '' ? '' : `, but for ${names.replace(/[^\x20-\x7e]/g, ' ').slice(0, longestNames)}`;
  return {
    code: 'server-name-mismatch',
    what: `The certificate of ${placeText(place)} is not for ${place.host}${others}.`,
    advice: `Use a name that it holds: ${connection.commandToSet('url', 'HOST')}`,
  };
}

/** What the server said during or after the handshake. With TLS 1.3 it judges the device afterwards. */
async function ofSession(error: unknown, circumstances: Case): Promise<CloudFault> {
  const { connection, place, now } = circumstances;
  const alert = tlsAlert(error);
  const device = await deviceCertificateOf(connection);
  const isAboutDevice = alert !== undefined && deviceAlerts.has(alert);
  const isEnded = alert === 'handshake failure' || endings.has(systemCodeOf(error) ?? '');
  if (device !== undefined && (isAboutDevice || isEnded)) {
    const dates = badDates(device, circumstances);
    if (dates !== undefined) return dates;
  }
  if (alert === 'certificate required') return certificateRequired(circumstances);
  if (isAboutDevice) return refusedDevice(alert, device, circumstances);
  const reason = opensslReason(error);
  if (reason === 'excessive message size')
    return {
      code: 'handshake-too-large',
      what: `The TLS handshake of ${placeText(place)} is larger than 64 KiB.`,
      advice:
        'The server, or a proxy before it, asks for certificates of too many CAs. Its operator must list fewer of them.',
    };
  if (reason === 'wrong version number' || reason === 'packet length too long')
    return {
      code: 'not-tls',
      what: `${placeText(place)} does not speak TLS.`,
      advice: `Check host and port: ${connection.commandToSet('url', 'HOST')}`,
    };
  if (isEnded) return closedInSilence(device, circumstances);
  return {
    code: 'unknown',
    what: `The connection to ${placeText(place)} failed: ${reasonText(error)}.`,
    advice: `Try it again. The clock here says ${now.toISOString()}.`,
  };
}

/** TLS alerts (RFC 8446 §6.2) about the certificate of the device. */
const deviceAlerts = new Set([
  'bad certificate',
  'unsupported certificate',
  'certificate revoked',
  'certificate expired',
  'certificate unknown',
  'unknown ca',
  'access denied',
  'decrypt error',
]);

const endings = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED']);

function badDates(
  { path, notAfter, notBefore, isSelfSigned }: DeviceCertificate,
  { connection, now }: Case,
): CloudFault | undefined {
  const whose = `The certificate of this device (${path}, ${connection.settingNames.certPath})`;
  if (notAfter < now)
    return {
      code: 'device-certificate-expired',
      what: `${whose} expired ${notAfter.toISOString()}.`,
      advice: `Get a new one: ${isSelfSigned ? commandsForSelfSigned(connection) : commandForCertificate(connection)}`,
    };
  if (notBefore <= now) return undefined;
  return {
    code: 'device-certificate-not-yet-valid',
    what: `${whose} is not valid before ${notBefore.toISOString()}, and the clock of this machine says ${now.toISOString()}.`,
    advice: 'Correct the clock: timedatectl set-ntp true',
  };
}

function certificateRequired({ connection, place }: Case): CloudFault {
  return {
    code: 'device-certificate-missing',
    what: `${placeText(place)} asks for a certificate of this device, and none was sent.`,
    advice: `Use one: ${connection.commandToSet('authMethod', 'certificate')}`,
  };
}

function refusedDevice(
  alert: string | undefined,
  device: DeviceCertificate | undefined,
  { connection, place, now }: Case,
): CloudFault {
  const shown =
    device === undefined
      ? 'the certificate of this device'
      : `the certificate of this device (${device.path}, issued by ${device.issuer})`;
  if (alert === 'certificate expired')
    return {
      code: 'device-certificate-expired',
      what: `${placeText(place)} says that ${shown} has expired, and by the clock of this machine (${now.toISOString()}) it has not.`,
      advice: `Correct the clock: timedatectl set-ntp true. Or a CA above it has expired. Then get a new one: ${commandForCertificate(connection)}`,
    };
  return {
    code: 'device-certificate-unknown',
    what: `${placeText(place)} does not accept ${shown}: ${alert}.`,
    advice: trustAdvice(device, connection),
  };
}

/** How the cloud comes to trust the device. */
function trustAdvice(device: DeviceCertificate | undefined, connection: CloudConnection): string {
  const { kind, profile } = connection;
  if (kind !== 'c8y') return 'Register the certificate, or the CA that issued it, at the cloud.';
  const option = profile === undefined ? '' : ` --profile ${profile}`;
  if (device?.isSelfSigned === true) return `Make the tenant trust it: tedge cert upload c8y${option}`;
  return `Make the tenant trust the CA that issued it: tedge cert upload c8y${option} --ca FILE. Or get a certificate from the tenant: ${commandForCertificate(connection)}`;
}

function commandsForSelfSigned({ kind, profile }: CloudConnection): string {
  const option = profile === undefined ? '' : ` --profile ${profile}`;
  const upload = kind === 'c8y' ? `, tedge cert upload c8y${option}` : '';
  return `tedge cert renew ${kind}${option} --ca self-signed${upload}, tedge reconnect ${kind}${option}`;
}

function closedInSilence(device: DeviceCertificate | undefined, { connection, place }: Case): CloudFault {
  const refusal = device === undefined ? 'Check user name and password.' : trustAdvice(device, connection);
  return {
    code: 'handshake-refused',
    what: `${placeText(place)} closed the connection without saying why.`,
    advice: `It may not accept this device. ${refusal} Else check host and port: ${connection.commandToSet('url', 'HOST')}`,
  };
}

function systemCodeOf(error: unknown): string | undefined {
  // One address family after the other was tried; the first is the usual one.
  return error instanceof AggregateError ? systemCodeOf(error.errors[0]) : errorCode(error);
}

function reasonText(error: unknown): string {
  return tlsAlert(error) ?? opensslReason(error) ?? systemCodeOf(error) ?? 'unknown failure';
}
