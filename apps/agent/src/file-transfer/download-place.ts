import type { ServerResponse } from 'node:http';
import type { KeyedSemaphore } from '@sallyport/concurrency';
import { PeerLost } from './answer.js';

/** The place of one download among those of its peer. */
export class DownloadPlace {
  private isTaken = false;

  constructor(
    private readonly places: KeyedSemaphore,
    readonly peer: string,
  ) {}

  /** @returns true if the download has a place, now or before */
  tryTake(): boolean {
    this.isTaken ||= this.places.tryAcquire(this.peer);
    return this.isTaken;
  }

  /**
   * Resolves with a place, when the peer's downloads before it have ended. The time limit for a silent connection stops
   * meanwhile, because it is we who are silent. It ends the downloads that hold the places, so this wait ends too.
   *
   * @throws PeerLost: the connection ended.
   */
  async wait(res: ServerResponse): Promise<void> {
    const leaving = new AbortController();
    const leave = (): void => leaving.abort(new PeerLost('The connection ended before its download began.'));
    const idleTimeoutMs = res.socket?.timeout ?? 0;
    res.socket?.setTimeout(0);
    if (res.destroyed) leave();
    res.once('close', leave);
    try {
      await this.places.acquire(this.peer, leaving.signal);
      this.isTaken = true;
    } finally {
      res.off('close', leave);
    }
    res.socket?.setTimeout(idleTimeoutMs);
  }

  /** Does nothing without a place. */
  giveBack(): void {
    if (this.isTaken) this.places.release(this.peer);
    this.isTaken = false;
  }
}
