import type { IncomingMessage } from 'node:http';
import { peerOf } from '@sallyport/tls';

/**
 * Who sent an admin request, for the audit log: `admin:<name>` when a certificate proved it, else `local-admin`, since
 * only the owner of the run directory can reach the Unix socket.
 */
export function requesterOf(request: { readonly raw: IncomingMessage }): string {
  const peer = peerOf(request.raw);
  return peer === undefined ? 'local-admin' : `admin:${peer.deviceId}`;
}
