import type { IncomingMessage } from 'node:http';
import { Problem } from '@sallyport/protocol';
import { networkOf, type Peer } from '@sallyport/tls';
import type { StoragePath } from '../file-storage/storage-path.js';
import { networkPrefix } from '../file-storage/transfer-buffers.js';

/** Throws Problem `forbidden` when the peer of a request may not use a path. */
export type AccessRule = (req: IncomingMessage, path: StoragePath) => void;

/** Returns the owner of the share of the storage that a request uses; undefined when it uses no share. */
export type OwnerRule = (req: IncomingMessage) => string | undefined;

/**
 * Returns the peer whose part of buffers and time a request uses. Never undefined, because no peer may use all of them.
 */
export type PeerRule = (req: IncomingMessage) => string;

/** Every peer that the entrance has admitted may use every path. */
export const anyPath: AccessRule = () => undefined;

/**
 * A device may use only paths below its own id. Services and administrators may use every path. A peer without a
 * certificate may use none, so the rule is safe even if the entrance requires no certificate.
 */
export function ownPathOnly(peerOf: (req: IncomingMessage) => Pick<Peer, 'deviceId' | 'kind'> | undefined): AccessRule {
  return (req, path) => {
    const peer = peerOf(req);
    if (peer === undefined)
      throw new Problem('forbidden', 'File transfer needs a client certificate here (http.authorization is "own").');
    if (peer.kind !== 'device') return;
    // The id alone is the folder of the device, not a file.
    const [owner, ...below] = path.segments;
    if (owner === peer.deviceId && below.length > 0) return;
    throw new Problem(
      'forbidden',
      `${JSON.stringify(path.text)} is not yours: ${peer.deviceId} reads and writes below "${peer.deviceId}/" only.`,
    );
  };
}

/** The proven identity of the peer, or the network of the request. */
export function peerRule(peerOf: (req: IncomingMessage) => Pick<Peer, 'deviceId' | 'kind'> | undefined): PeerRule {
  return (req) => {
    const peer = peerOf(req);
    return peer === undefined ? networkRule(req) : `${peer.kind}:${peer.deviceId}`;
  };
}

/** For entrances without client certificates. */
export const networkRule: PeerRule = ({ socket: { remoteAddress = '' } }) =>
  `${networkPrefix}${networkOf(remoteAddress)}`;

/**
 * An owner is a device, or the network of a peer without a certificate. Services, administrators and the processes of
 * this machine store files for all, so no share limits them.
 */
export function ownerRule(peerOf: (req: IncomingMessage) => Pick<Peer, 'deviceId' | 'kind'> | undefined): OwnerRule {
  return (req) => {
    const peer = peerOf(req);
    if (peer !== undefined) return peer.kind === 'device' ? `device:${peer.deviceId}` : undefined;
    const { remoteAddress = '' } = req.socket;
    return isLoopback(remoteAddress) ? undefined : `network:${networkOf(remoteAddress)}`;
  };
}

// RFC 1122 §3.2.1.3 (g), RFC 4291 §2.5.3. An IPv6 socket reports IPv4 addresses in mapped form (::ffff:...).
function isLoopback(address: string): boolean {
  return address === '::1' || /^(?:::ffff:)?127\./i.test(address);
}
