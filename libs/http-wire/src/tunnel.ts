import type { Duplex } from 'node:stream';
import type { RawStream } from './api.js';

// A peer that was told of the end has this long to take what is left and to end its side.
const lingerMs = 30_000;

/**
 * Passes bytes both ways between two streams, unread, each at the pace of the other. When one side ends, the other is
 * told; when one side is cut, so is the other.
 *
 * @param onClose called once, when both sides are closed
 */
export function tunnel(one: RawStream, other: RawStream, onClose: () => void = ignore): void {
  let open = 2;
  const closed = (): void => {
    open -= 1;
    if (open === 0) onClose();
  };
  pass(one, other.socket, closed);
  pass(other, one.socket, closed);
}

function pass({ socket: from, head }: RawStream, to: Duplex, onClose: () => void): void {
  const write = (bytes: Buffer): void => {
    if (to.writable && !to.write(bytes)) from.pause();
  };
  from.on('data', write);
  from.on('end', () => to.end());
  from.on('error', ignore);
  from.once('close', () => {
    closeAfter(from, to);
    onClose();
  });
  to.on('drain', () => from.resume());
  // Pausing follows from `write`, so resume first.
  from.resume();
  if (head.length > 0) write(head);
  if (from.destroyed) to.destroy();
}

function closeAfter(from: Duplex, to: Duplex): void {
  if (to.destroyed) return;
  if (from.readableEnded) setTimeout(() => to.destroy(), lingerMs).unref();
  else to.destroy();
}

function ignore(): void {}
