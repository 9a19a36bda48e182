import { Problem } from '@sallyport/protocol';
import type { CloudConnection } from './cloud-connection.js';
import type { CloudFault, CloudFaultCode } from './cloud-fault.js';
import { deviceCertificateOf } from './device-certificate.js';
import { closedFault, dateFault, isAboutDevice, missingFault, refusalFault } from './device-fault.js';
import { CloudDialError } from './dial-error.js';
import { commandToSetHost, type FaultCase, reasonText, systemCodeOf } from './fault-case.js';
import { placeText } from './host-and-port.js';
import { networkFault, proxyFault, timeoutFault } from './network-fault.js';
import { serverFault } from './server-fault.js';
import { opensslReason, tlsAlert } from './tls-reason.js';

export interface ExplainOptions {
  /** Default: now. */
  readonly now?: Date;
  /**
   * Whether it may dial again to say more: whether port 443 answers, and who issued the certificate of the server. It
   * takes up to 5 s and shows nothing of this device. Default false.
   */
  readonly mayProbe?: boolean;
  /** What was dialled, for an error of an open socket. Default `mqtt`. */
  readonly endpoint?: 'mqtt' | 'http';
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
  if (error instanceof Problem) return fileFault(error);
  const { now = new Date(), mayProbe = false, endpoint = 'mqtt' } = options;
  if (!(error instanceof CloudDialError)) {
    const opened = { connection, place: connection[endpoint] ?? connection.mqtt, now, mayProbe };
    // A REST API has seen no certificate of the device, so it cannot mean that.
    return endpoint === 'http' ? otherFault(error, opened) : sessionFault(error, opened);
  }
  const failed = { connection, place: error.place, now, mayProbe };
  if (error.stage === 'proxy') return proxyFault(error, failed);
  if (error.isTimeout) return timeoutFault(error, failed);
  if (error.stage === 'connect') return networkFault(error.cause, failed);
  return (await serverFault(error.cause, failed)) ?? sessionFault(error.cause, failed);
}

/** A fault of settings or files: it has said already what to do. */
function fileFault({ message, extensions }: Problem): CloudFault {
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

/** What the server said during or after the handshake. With TLS 1.3 it judges the device afterwards. */
async function sessionFault(error: unknown, failed: FaultCase): Promise<CloudFault> {
  const alert = tlsAlert(error);
  const device = await deviceCertificateOf(failed.connection);
  const isEnded = alert === 'handshake failure' || endings.has(systemCodeOf(error) ?? '');
  if (device !== undefined && (isAboutDevice(alert) || isEnded)) {
    // Many servers only close the connection, so look at the dates first.
    const wrongDates = await dateFault(device, failed);
    if (wrongDates !== undefined) return wrongDates;
  }
  if (alert === 'certificate required') return missingFault(failed);
  if (isAboutDevice(alert)) return refusalFault(alert, device, failed);
  return isEnded ? closedFault(device, failed) : otherFault(error, failed);
}

const endings = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED']);

function otherFault(error: unknown, failed: FaultCase): CloudFault {
  const server = placeText(failed.place);
  const checkPlace = `Check host and port: ${commandToSetHost(failed)}`;
  switch (opensslReason(error) ?? systemCodeOf(error)) {
    case 'excessive message size':
      return {
        code: 'handshake-too-large',
        what: `The TLS handshake of ${server} is larger than 64 KiB.`,
        advice:
          'The server, or a proxy before it, asks for certificates of too many CAs. Its operator must list fewer of them.',
      };
    case 'wrong version number':
    case 'packet length too long':
      return { code: 'not-tls', what: `${server} does not speak TLS.`, advice: checkPlace };
    case 'ETIMEDOUT':
      return { code: 'timeout', what: `${server} took the connection and did not answer in time.`, advice: checkPlace };
    default:
      return {
        code: 'unknown',
        what: `The connection to ${server} failed: ${reasonText(error)}.`,
        advice: `Try again. ${checkPlace}`,
      };
  }
}
