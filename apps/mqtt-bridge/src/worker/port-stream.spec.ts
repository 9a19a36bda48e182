import { once } from 'node:events';
import { type Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { MessageChannel } from 'node:worker_threads';
import { waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { PortStream } from './port-stream.js';

function pair(windowBytes?: number): { near: PortStream; far: PortStream; messages: () => number } {
  const { port1, port2 } = new MessageChannel();
  let messages = 0;
  port2.on('message', () => {
    messages += 1;
  });
  const options = windowBytes === undefined ? {} : { windowBytes };
  return { near: new PortStream(port1, options), far: new PortStream(port2, options), messages: () => messages };
}

async function textOf(stream: Duplex): Promise<string> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'end');
  return Buffer.concat(chunks).toString();
}

describe('a stream to another thread', () => {
  it('brings the bytes of both ends over in order, and then their end', async () => {
    const { near, far } = pair();
    const received = textOf(far);
    near.write('one ');
    near.write('two ');
    near.end('three');
    expect(await received).toBe('one two three');
    expect(far.destroyed).toBe(true);
    await waitFor(() => near.destroyed);
  });

  it('sends what is written in one turn as one message', async () => {
    const { near, far, messages } = pair();
    far.resume();
    for (let count = 0; count < 100; count += 1) near.write('x');
    await once(far, 'data');
    expect(messages()).toBe(1);
    near.destroy();
  });

  it('stops its writer when the other end does not read, and goes on when it does', async () => {
    const { near, far } = pair(1_000);
    const all = Buffer.alloc(100_000, 'a');
    let taken = 0;
    const source = Readable.from(
      (function* () {
        for (let at = 0; at < all.length; at += 100) {
          taken = at;
          yield all.subarray(at, at + 100);
        }
      })(),
      { highWaterMark: 1 },
    );
    const sent = pipeline(source, near);
    await waitFor(() => taken >= 1_000);
    await new Promise(setImmediate);
    // The window, and as much in the streams on both sides.
    expect(taken).toBeLessThan(4_000);
    expect((await textOf(far)).length).toBe(100_000);
    await sent;
  });

  it.each(['near', 'far'] as const)('ends at both ends when the %s one is destroyed', async (end) => {
    const ends = pair();
    ends.near.write('x');
    ends[end].destroy();
    await waitFor(() => ends.near.destroyed && ends.far.destroyed);
  });

  it('gives what it holds back when it is destroyed while its writer waits', async () => {
    const { near, far } = pair(10);
    const fault = once(near, 'error');
    near.write(Buffer.alloc(100));
    near.destroy(new Error('cut'));
    expect((await fault)[0]).toMatchObject({ message: 'cut' });
    await waitFor(() => far.destroyed);
  });
});
