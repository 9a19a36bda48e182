import { setImmediate as nextTurn } from 'node:timers/promises';
import { Problem } from '@sallyport/protocol';
import { isAddressInUse } from '@sallyport/runtime';
import type { SecureListener, SecuritySettings } from '@sallyport/tls';
import { type Certificate, certificatesFromPem } from '@sallyport/x509';

export interface Address {
  readonly host: string;
  /** More addresses of this machine, with the same port. */
  readonly moreHosts?: readonly string[];
  readonly port: number;
}

/** Where an entrance listens, and how. */
export interface Place {
  /** As the settings say: port 0 takes a free one. */
  readonly address: Address;
  readonly security: SecuritySettings;
}

/** A listener with what it was last given. */
export interface BoundListener extends Place {
  readonly listener: SecureListener;
  /** Where it is. */
  readonly host: string;
  readonly port: number;
  readonly certificate: Certificate | undefined;
}

/** The listener of an entrance: bound, changed, moved to another address, closed. */
export class EntranceListener {
  private current: BoundListener | undefined;
  // Left behind by a move or closed, with requests that are still being answered.
  private readonly draining = new Map<SecureListener, Promise<void>>();

  /**
   * @param make a listener that is not bound yet
   * @param drainMs how long requests in flight may take once their listener is closed
   */
  constructor(
    private readonly make: (place: Place) => SecureListener,
    private readonly drainMs: number,
  ) {}

  get bound(): BoundListener | undefined {
    return this.current;
  }

  /**
   * Every listener that has sessions: also those that only drain, since a revoked peer must lose these sessions too.
   */
  get all(): readonly SecureListener[] {
    return [...(this.current === undefined ? [] : [this.current.listener]), ...this.draining.keys()];
  }

  /**
   * Binds the listener, changes its security, or moves it.
   *
   * @throws Problem `config-invalid`: the settings are unusable or the address cannot be bound; nothing changed.
   */
  async putInForce(place: Place): Promise<void> {
    const { current } = this;
    if (current === undefined) this.current = await this.bind(place);
    else if (isSame(current.address, place.address)) await this.change(current, place);
    else await this.move(current, place);
  }

  /** Takes no new connection. Resolves when the last request is answered or cut. */
  async close(): Promise<void> {
    if (this.current !== undefined) this.drain(this.current.listener);
    this.current = undefined;
    await Promise.all(this.draining.values());
  }

  private async change(current: BoundListener, { security }: Place): Promise<void> {
    await current.listener.reload(security);
    this.current = { ...current, security, certificate: leafOf(security) };
  }

  /** The new address is open before the old one closes, so no client finds neither. */
  private async move(from: BoundListener, to: Place): Promise<void> {
    try {
      this.current = await this.bind(to);
    } catch (error) {
      if (!isAddressInUse(error) || !isPartOf(from.address, to.address)) throw notMoved(from, error);
      await this.moveOnOnePort(from, to);
    }
    // Sessions that are not trusted any more do not wait for the drain.
    await from.listener.reload(to.security).finally(() => this.drain(from.listener));
  }

  /**
   * `127.0.0.1:8000` holds the port that `0.0.0.0:8000` needs, so it closes first, and comes back if that was not why.
   */
  private async moveOnOnePort(from: BoundListener, to: Place): Promise<void> {
    this.drain(from.listener);
    this.current = undefined;
    await nextTurn();
    try {
      this.current = await this.bind(to);
    } catch (error) {
      this.current = await this.bind(from);
      throw notMoved(from, error);
    }
  }

  private async bind({ address, security }: Place): Promise<BoundListener> {
    const listener = this.make({ address, security });
    const { host, port } = await listener.listen();
    return { listener, address, host, port, security, certificate: leafOf(security) };
  }

  private drain(listener: SecureListener): void {
    if (this.draining.has(listener)) return;
    const drained = listener.close({ drainMs: this.drainMs }).finally(() => this.draining.delete(listener));
    this.draining.set(listener, drained);
  }
}

function notMoved({ host, port }: Address, cause: unknown): unknown {
  if (!(cause instanceof Problem)) return cause;
  return new Problem(cause.type, `${cause.message} Until then it stays at ${host} port ${port}.`, { cause });
}

const allAddresses: readonly string[] = ['0.0.0.0', '::'];

/** True when one of two addresses with one port holds the port of the other. */
function isPartOf(one: Address, other: Address): boolean {
  if (one.port !== other.port) return false;
  const [ours, theirs] = [hostsOf(one), hostsOf(other)];
  return [...ours, ...theirs].some((host) => allAddresses.includes(host)) || ours.some((host) => theirs.includes(host));
}

function isSame(one: Address, other: Address): boolean {
  return one.port === other.port && hostsOf(one).join() === hostsOf(other).join();
}

function hostsOf({ host, moreHosts = [] }: Address): string[] {
  return [host, ...moreHosts];
}

function leafOf({ certificatePem = '' }: SecuritySettings): Certificate | undefined {
  return certificatesFromPem(certificatePem)[0];
}
