import { errorCode } from '@sallyport/files';
import type { CloudConnection, HostAndPort } from './cloud-connection.js';
import { serverTime } from './look-at-server.js';
import { opensslReason, tlsAlert } from './tls-reason.js';

/** What is known about a failed connection besides its error. */
export interface FaultCase {
  readonly connection: CloudConnection;
  /** What was dialled. */
  readonly place: HostAndPort;
  readonly now: Date;
  /** Whether the server may be dialled again, to say more. */
  readonly mayProbe: boolean;
}

/** What this machine takes for the time, and where it may be asked, what the server does. */
export async function clocks({ connection, now, mayProbe }: FaultCase): Promise<string> {
  const here = `The clock of this machine says ${now.toISOString()}`;
  const there = mayProbe ? await serverTime(connection) : undefined;
  return there === undefined ? here : `${here}, and that of the server ${there.toISOString()}`;
}

/** The setting that a wrong host or port comes from. */
export function hostSetting({ connection, place }: Pick<FaultCase, 'connection' | 'place'>): string {
  return connection.settingNames[hostNameOf(connection, place)];
}

/** The command that changes host and port of what was dialled. */
export function commandToSetHost({ connection, place }: Pick<FaultCase, 'connection' | 'place'>): string {
  const name = hostNameOf(connection, place);
  const isOfBoth = connection.settingNames[name] === connection.settingNames.url;
  return connection.commandToSet(name, isOfBoth ? 'HOST' : 'HOST:PORT');
}

function hostNameOf({ http }: CloudConnection, place: HostAndPort): 'mqttHost' | 'httpHost' {
  return http?.host === place.host && http.port === place.port ? 'httpHost' : 'mqttHost';
}

/** The code of a system call or of Node; of several addresses that were tried, that of the first. */
export function systemCodeOf(error: unknown): string | undefined {
  // One address family after the other was tried; the first is the usual one.
  return error instanceof AggregateError ? systemCodeOf(error.errors[0]) : errorCode(error);
}

/** The shortest words there are for an error. */
export function reasonText(error: unknown): string {
  return tlsAlert(error) ?? opensslReason(error) ?? systemCodeOf(error) ?? messageOf(error) ?? 'unknown failure';
}

/** Of what ended a session after the handshake, such as a refused CONNECT. */
function messageOf(error: unknown): string | undefined {
  return error instanceof Error && error.message !== '' ? error.message.replace(/\.$/, '') : undefined;
}
