import type { CloudConnection } from './cloud-connection.js';
import type { CloudFault } from './cloud-fault.js';
import { commandForCertificate } from './cloud-identity.js';
import type { DeviceCertificate } from './device-certificate.js';
import { clocks, commandToSetHost, type FaultCase } from './fault-case.js';
import { placeText } from './host-and-port.js';

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

/** Whether an alert is about the certificate that the device has shown. */
export function isAboutDevice(alert: string | undefined): alert is string {
  return alert !== undefined && deviceAlerts.has(alert);
}

/** A certificate of the device that is not valid now, by the clock of this machine. */
export async function dateFault(
  { path, notAfter, notBefore, isSelfSigned }: DeviceCertificate,
  failed: FaultCase,
): Promise<CloudFault | undefined> {
  const { connection, now } = failed;
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
    what: `${whose} is not valid before ${notBefore.toISOString()}. ${await clocks(failed)}.`,
    advice: 'Correct the clock: timedatectl set-ntp true',
  };
}

/** The server wants a certificate, and the device has shown none. */
export function missingFault({ connection, place }: FaultCase): CloudFault {
  return {
    code: 'device-certificate-missing',
    what: `${placeText(place)} asks for a certificate of this device, and none was sent.`,
    advice: `Use one: ${connection.commandToSet('authMethod', 'certificate')}`,
  };
}

/** The server has said why it does not take the certificate of the device. */
export async function refusalFault(
  alert: string,
  device: DeviceCertificate | undefined,
  failed: FaultCase,
): Promise<CloudFault> {
  const { connection, place } = failed;
  const which = device === undefined ? '' : ` (${device.path}, issued by ${device.issuer})`;
  const shown = `the certificate of this device${which}`;
  if (alert !== 'certificate expired')
    return {
      code: 'device-certificate-unknown',
      what: `${placeText(place)} does not accept ${shown}: ${alert}.`,
      advice: trustAdvice(device, connection),
    };
  return {
    code: 'device-certificate-expired',
    what: `${placeText(place)} says that ${shown} has expired. By the clock here it has not. ${await clocks(failed)}.`,
    advice: `Correct the clock: timedatectl set-ntp true. Or a CA above it has expired; then get a new one: ${commandForCertificate(connection)}`,
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

function commandsForSelfSigned({ kind, profile, name }: CloudConnection): string {
  const option = profile === undefined ? '' : ` --profile ${profile}`;
  if (kind === 'custom') return `tedge cert renew --ca self-signed, tedge reconnect ${name}`;
  const upload = kind === 'c8y' ? `, tedge cert upload c8y${option}` : '';
  return `tedge cert renew ${kind}${option} --ca self-signed${upload}, tedge reconnect ${kind}${option}`;
}

/** The server has closed the connection without a word. */
export function closedFault(device: DeviceCertificate | undefined, failed: FaultCase): CloudFault {
  const { connection, place } = failed;
  const refusal = device === undefined ? 'Check user name and password.' : trustAdvice(device, connection);
  return {
    code: 'handshake-refused',
    what: `${placeText(place)} closed the connection without saying why.`,
    advice: `It may not accept this device. ${refusal} Else check host and port: ${commandToSetHost(failed)}`,
  };
}
