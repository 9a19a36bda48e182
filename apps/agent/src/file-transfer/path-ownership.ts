import type { IncomingMessage } from 'node:http';
import { Problem } from '@sallyport/protocol';
import { networkOf, type Peer } from '@sallyport/tls';
import type { StoragePath } from '../file-storage/storage-path.js';

/** Decides whether the peer of a request may use a path; throws Problem `forbidden` when not. */
export type AccessRule = (req: IncomingMessage, path: StoragePath) => void;

/** Whose share of the storage a request uses; nobody's in particular when undefined. */
export type OwnerRule = (req: IncomingMessage) => string | undefined;

/** Whose part of buffers and time a request uses: never undefined, since nobody may have all of them. */
export type PeerRule = (req: IncomingMessage) => string;

/** Whoever the entrance let in uses every path. */
export const anyPath: AccessRule = () => undefined;

/**
 * A device uses paths below its own id only; services and administrators use every path. A peer without a certificate
 * uses none, so the rule is safe even where the entrance asks for no certificate.
 */
export function ownPathOnly(peerOf: (req: IncomingMessage) => Pick<Peer, 'deviceId' | 'kind'> | undefined): AccessRule {
  return (req, path) => {
    const peer = peerOf(req);
    if (peer === undefined)
      throw new Problem('forbidden', 'File transfer needs a client certificate here (http.authorization is "own").');
    if (peer.kind !== 'device') return;
    // Alone, the id names the folder that holds the device's files, and no file.
    const [owner, ...below] = path.segments;
    if (owner === peer.deviceId && below.length > 0) return;
    throw new Problem(
      'forbidden',
      `${JSON.stringify(path.text)} is not yours: ${peer.deviceId} reads and writes below "${peer.deviceId}/" only.`,
    );
  };
}

/** An identity that was proved, or the network the request came from. */
export function peerRule(peerOf: (req: IncomingMessage) => Pick<Peer, 'deviceId' | 'kind'> | undefined): PeerRule {
  return (req) => {
    const peer = peerOf(req);
    return peer === undefined ? networkRule(req) : `${peer.kind}:${peer.deviceId}`;
  };
}

/** Where nobody can prove who they are. */
export const networkRule: PeerRule = ({ socket: { remoteAddress = '' } }) => `network:${networkOf(remoteAddress)}`;

/**
 * A device is an owner, and so is the network of a peer that has not said who it is. Services, administrators and the
 * processes of this machine keep files for all, so no share bounds them.
 */
export function ownerRule(peerOf: (req: IncomingMessage) => Pick<Peer, 'deviceId' | 'kind'> | undefined): OwnerRule {
  return (req) => {
    const peer = peerOf(req);
    if (peer !== undefined) return peer.kind === 'device' ? `device:${peer.deviceId}` : undefined;
    const { remoteAddress = '' } = req.socket;
    return isLoopback(remoteAddress) ? undefined : `network:${networkOf(remoteAddress)}`;
  };
}

// RFC 1122 §3.2.1.3 (g), RFC 4291 §2.5.3; an IPv6 socket tells IPv4 addresses in their mapped form.
function isLoopback(address: string): boolean {
  return address === '::1' || /^(?:::ffff:)?127\./i.test(address);
}
