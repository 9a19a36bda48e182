import { createHash } from 'node:crypto';
import type { BlockMemory } from './block-memory.js';

/** A body that is kept between two messages of its transfer. */
export interface KeptBody {
  /** What it takes of the memory, in bytes. */
  readonly capacity: number;
}

interface Place<Body> {
  readonly body: Body;
  /** False when the last sweep found it already. */
  isNew: boolean;
}

/** The bodies of one connection whose transfers go on. One that nobody asks for is forgotten. */
export class KeptBodies<Body extends KeptBody> {
  /** Its part of `memory`. */
  bytes = 0;
  private readonly places = new Map<string, Place<Body>>();
  private sweeping: NodeJS.Timeout | undefined;
  private isClosed = false;

  /** @param lifetimeMs a body is kept for so long after its last use, and at most twice as long */
  constructor(
    private readonly memory: BlockMemory,
    private readonly lifetimeMs: number,
  ) {}

  /** Takes room for bytes that a body in use is to get. False: there is none, or the connection is gone. */
  take(bytes: number): boolean {
    return !this.isClosed && this.memory.take(this, bytes);
  }

  give(bytes: number): void {
    this.memory.give(this, bytes);
  }

  /** Takes a body out, to use it. It keeps its room, and nobody can drop it now. */
  remove(key: string): Body | undefined {
    const body = this.places.get(key)?.body;
    this.places.delete(key);
    return body;
  }

  /** Puts in a body whose room is taken. It replaces another of the same key. */
  put(key: string, body: Body): void {
    this.drop(key);
    this.places.set(key, { body, isNew: true });
    this.sweeping ??= setInterval(() => this.sweep(), this.lifetimeMs).unref();
  }

  /** Forgets a body, if there is one, and gives its room back. */
  drop(key: string): void {
    const body = this.remove(key);
    if (body !== undefined) this.give(body.capacity);
  }

  dropOldest(): boolean {
    for (const key of this.places.keys()) {
      this.drop(key);
      return true;
    }
    return false;
  }

  /** Forgets all. An answer may be ready later, and finds no room. */
  close(): void {
    this.isClosed = true;
    while (this.dropOldest());
    this.rest();
  }

  private sweep(): void {
    for (const [key, place] of this.places) {
      if (place.isNew) place.isNew = false;
      else this.drop(key);
    }
    if (this.places.size === 0) this.rest();
  }

  private rest(): void {
    clearInterval(this.sweeping);
    this.sweeping = undefined;
  }
}

/** Names a transfer in a few bytes, also one with a long path and long queries. */
export function transferKey(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64');
}
