import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { pause, Semaphore, within } from '@sallyport/concurrency';
import { hasCode } from '@sallyport/files';
import { openTransport } from '@sallyport/mqtt';
import { Problem } from '@sallyport/protocol';
import type { BrokerPlace } from '@sallyport/runtime';

/** A broker that is there answers in far less. The client waits meanwhile. */
const defaultDeadlineMs = 3_000;

/**
 * Sessions that are being opened at a time; further ones wait. When all clients of a site come back at once, the queue
 * in which the kernel keeps connections for the broker (100 for Mosquitto) would be full.
 */
const mostOpenings = 64;

/** unix(7): the queue of the listening socket is full. */
const queueFull = 'EAGAIN';
const queuePauseMs = 20;

export interface BackSideOptions {
  readonly deadlineMs?: number;
}

/** Opens connections to the back side of the broker behind the door. */
export class BackSide {
  private readonly openings = new Semaphore(mostOpenings);
  private readonly deadlineMs: number;

  constructor(
    private readonly place: BrokerPlace,
    { deadlineMs = defaultDeadlineMs }: BackSideOptions = {},
  ) {
    this.deadlineMs = deadlineMs;
  }

  /** For logs: it holds no secret. */
  get url(): string {
    return this.place.url;
  }

  /**
   * Opens a connection and does with it what begins a session. Only so many are begun at a time. When that fails, the
   * connection is closed.
   *
   * @throws Problem `unavailable`: no connection in time, or what came with it; the reason is in `cause`.
   * @throws what `begin` throws
   */
  async open<Result>(begin: (broker: Duplex) => Promise<Result>): Promise<Result> {
    const deadlineAt = performance.now() + this.deadlineMs;
    await this.openings.acquire();
    try {
      const broker = await this.connect(deadlineAt);
      try {
        return await begin(broker);
      } catch (error) {
        broker.destroy();
        throw error;
      }
    } finally {
      this.openings.release();
    }
  }

  private async connect(deadlineAt: number): Promise<Duplex> {
    for (;;) {
      try {
        return await this.connectOnce(deadlineAt);
      } catch (cause) {
        if (!hasCode(cause, queueFull) || performance.now() + queuePauseMs >= deadlineAt)
          throw new Problem('unavailable', `The broker behind the door (${this.url}) cannot be reached.`, { cause });
      }
      await pause(queuePauseMs);
    }
  }

  private async connectOnce(deadlineAt: number): Promise<Duplex> {
    // Without a client id of its own: the session is the client's.
    const socket = await openTransport({ ...this.place, clientId: '' });
    // Whoever has it sees it close. An error without a listener would end the process.
    socket.on('error', () => socket.destroy());
    const late = () => new Error(`it did not accept a connection within ${this.deadlineMs} ms`);
    try {
      const opened = once(socket, socket instanceof TLSSocket ? 'secureConnect' : 'connect');
      await within(opened, Math.max(0, deadlineAt - performance.now()), { late });
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }
}
