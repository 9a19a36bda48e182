import type { DeviceId } from '@sallyport/protocol';
import { type Evictable, FairQuota } from './fair-quota.js';
import type { Limits } from './limits.js';
import { networkOf } from './network-of.js';

/**
 * Limits how many connections of a listener one owner may hold. The owner is the network (one IPv4 address, or one IPv6
 * subscriber) until the peer has proved who it is; from then on it is the device. When the listener is full, the owner
 * with the most connections loses one.
 */
export class ConnectionQuota {
  private readonly limits: Limits;
  private readonly now: () => number;
  private readonly connections: FairQuota;
  /** Connections that are silent so far, or still in their handshake. */
  private readonly handshakes: FairQuota;

  constructor(limits: Limits, now: () => number = () => performance.now()) {
    const { connections, concurrentHandshakes, idleKeptMs: keptMs } = limits;
    this.limits = limits;
    this.now = now;
    this.connections = new FairQuota({ most: connections, keptMs });
    this.handshakes = new FairQuota({ most: concurrentHandshakes, keptMs });
  }

  /** Takes a place for a connection. False when there is none. Each true needs one `release`. */
  acquire(address: string, holder: Evictable): boolean {
    const network = `network ${networkOf(address)}`;
    const now = this.now();
    const { connectionsPerAddress, concurrentHandshakes } = this.limits;
    if (!this.connections.acquire(network, holder, { most: connectionsPerAddress, now })) return false;
    // One host that never finishes its handshakes must not block all others, so a network gets half of them.
    if (this.handshakes.acquire(network, holder, { most: Math.ceil(concurrentHandshakes / 2), now })) return true;
    this.connections.release(holder);
    return false;
  }

  /** The handshake is over, or the connection needs none. */
  endHandshake(holder: Evictable): void {
    this.handshakes.release(holder);
  }

  /** Counts the connection for its device from now on, not for its network. False when the device has too many. */
  identify(holder: Evictable, deviceId: DeviceId): boolean {
    const now = this.now();
    const former = this.connections.release(holder);
    if (this.connections.acquire(`device ${deviceId}`, holder, { most: this.limits.connectionsPerIdentity, now }))
      return true;
    // The connection stays until the peer has its answer, so it takes its former place again. That place is still free.
    if (former !== undefined) this.connections.acquire(former, holder, { most: Number.POSITIVE_INFINITY, now });
    return false;
  }

  release(holder: Evictable): void {
    this.handshakes.release(holder);
    this.connections.release(holder);
  }
}
