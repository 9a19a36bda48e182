import { connect as netConnect } from 'node:net';
import { lookupHost } from '@sallyport/protocol';
import type { CloudConnection, HostAndPort } from './cloud-connection.js';
import { nameText } from './device-certificate.js';
import { openUnverified } from './dial-cloud.js';
import { serverTimeOver } from './server-time.js';

/** The certificate a server shows. Nobody has verified it: it is for words only. */
export interface SeenCertificate {
  /** Printable, one line. */
  readonly issuer: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const patienceMs = 5000;

/** Looks at the certificate of a server without trusting it, and shows nothing of this device. Undefined: it shows none. */
export async function lookAtServer(
  connection: CloudConnection,
  place: HostAndPort,
): Promise<SeenCertificate | undefined> {
  const socket = await openUnverified(connection, place, patienceMs);
  const certificate = socket?.getPeerX509Certificate();
  socket?.destroy();
  if (certificate === undefined) return undefined;
  const { issuer, validFrom, validTo } = certificate;
  return { issuer: nameText(issuer), notBefore: new Date(validFrom), notAfter: new Date(validTo) };
}

/**
 * What the REST API of a cloud takes for the time. Nobody has verified the server: it is for words only. Undefined: there
 * is none, or it does not say.
 */
export async function serverTime(connection: CloudConnection): Promise<Date | undefined> {
  const { http } = connection;
  if (http === undefined) return undefined;
  const socket = await openUnverified(connection, http, patienceMs);
  return socket === undefined ? undefined : serverTimeOver(socket, http);
}

/** Whether something takes connections there. */
export function answersAt(place: HostAndPort): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = netConnect({ ...place, lookup: lookupHost, timeout: patienceMs });
    const settle = (isUp: boolean) => {
      socket.destroy();
      resolve(isUp);
    };
    socket
      .once('connect', () => settle(true))
      .once('timeout', () => settle(false))
      .once('error', () => settle(false));
  });
}
