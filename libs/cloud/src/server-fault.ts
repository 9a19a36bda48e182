import { errorCode } from '@sallyport/files';
import type { CloudConnection } from './cloud-connection.js';
import type { CloudFault, CloudFaultCode } from './cloud-fault.js';
import { clocks, commandToSetHost, type FaultCase } from './fault-case.js';
import { placeText } from './host-and-port.js';
import { lookAtServer, type SeenCertificate } from './look-at-server.js';

type ServerFaultCode = Extract<CloudFaultCode, `server-${string}`>;

/** What OpenSSL says about the certificate of a server. */
const verdicts: ReadonlyMap<string, ServerFaultCode> = new Map([
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

/** A server that does not prove who it is; undefined for an error of another kind. */
export async function serverFault(error: unknown, failed: FaultCase): Promise<CloudFault | undefined> {
  const reason = errorCode(error) ?? '';
  if (reason === 'ERR_TLS_CERT_ALTNAME_INVALID') return wrongName(error, failed);
  const code = verdicts.get(reason);
  if (code === undefined) return undefined;
  const { connection, place, mayProbe } = failed;
  const seen = mayProbe ? await lookAtServer(connection, place) : undefined;
  const whose = `The certificate of ${placeText(place)}`;
  if (code === 'server-untrusted') return untrusted(whose, seen, connection);
  if (code === 'server-certificate-unusable')
    return {
      code,
      what: `${whose} cannot be used to prove who the server is.`,
      advice: `Check the host: ${commandToSetHost(failed)}. Something between may answer in the name of the cloud.`,
    };
  const clock = `${await clocks(failed)}. If this machine is wrong, correct it: timedatectl set-ntp true`;
  if (code === 'server-certificate-not-yet-valid')
    return { code, what: `${whose} is not valid yet${dated(seen?.notBefore)}.`, advice: `${clock}.` };
  return {
    code,
    what: `${whose} has expired${dated(seen?.notAfter)}.`,
    advice: `${clock}. Else the cloud must renew it.`,
  };
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

function wrongName(cause: unknown, failed: FaultCase): CloudFault {
  const { place } = failed;
  const { cert } = cause instanceof Error && 'cert' in cause ? cause : {};
  const names =
    typeof cert === 'object' && cert !== null && 'subjectaltname' in cert ? String(cert.subjectaltname) : '';
  const others = names === '' ? '' : `, but for ${names.replace(/[^\x20-\x7e]/g, ' ').slice(0, longestNames)}`;
  return {
    code: 'server-name-mismatch',
    what: `The certificate of ${placeText(place)} is not for ${place.host}${others}.`,
    advice: `Use a name that it holds: ${commandToSetHost(failed)}`,
  };
}
