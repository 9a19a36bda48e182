import { afterEach, describe, expect, it } from 'vitest';
import type { RawStream } from './api.js';
import { PoolSite } from './pool-site.fixture.js';
import { tunnel } from './tunnel.js';

const site = new PoolSite();
afterEach(() => site.close());

const empty = Buffer.alloc(0);

/** A tunnel to this port. @returns the port of its near end, and whether it has closed */
async function tunnelTo(port: number, head = empty): Promise<{ port: number; isClosed: () => boolean }> {
  let isClosed = false;
  const near = await site.listen((socket) => {
    socket.pause();
    void site.dial(port).then((other) => {
      const [one, two]: RawStream[] = [
        { socket, head: empty },
        { socket: other, head },
      ];
      if (one !== undefined && two !== undefined)
        tunnel(one, two, () => {
          isClosed = true;
        });
    });
  });
  return { port: near, isClosed: () => isClosed };
}

describe('a tunnel', () => {
  it('passes bytes both ways, and what was read before first', async () => {
    const { port } = await tunnelTo(await site.listen((socket) => socket.pipe(socket)), Buffer.from('first '));
    const client = await site.client(port);

    client.say('second');

    expect(await client.hear('second')).toBe('first second');
  });

  it('passes everything on before it ends', async () => {
    const large = Buffer.alloc(5_000_000, 'x');
    const { port, isClosed } = await tunnelTo(await site.listen((socket) => void socket.end(large)));
    const client = await site.client(port);

    expect((await client.ended()).length).toBe(large.length);
    client.socket.end();

    await expect.poll(isClosed).toBe(true);
  });

  it('is cut on one side when it is cut on the other', async () => {
    const far = await site.listen((socket) => void socket.once('data', () => socket.resetAndDestroy()));
    const { port, isClosed } = await tunnelTo(far);
    const client = await site.client(port);

    client.say('x');
    await client.ended();

    await expect.poll(isClosed).toBe(true);
  });

  it('holds bytes back for a side that does not read', async () => {
    let sent = 0;
    const far = await site.listen((socket) => {
      const piece = Buffer.alloc(65_536);
      const fill = (): void => {
        do sent += piece.length;
        while (socket.write(piece));
      };
      socket.on('drain', fill);
      fill();
    });
    const { port } = await tunnelTo(far);
    const client = await site.client(port);
    client.socket.pause();

    await expect.poll(() => sent).toBeGreaterThan(100_000);
    let before = -1;
    await expect
      .poll(() => {
        const isStill = sent === before;
        before = sent;
        return isStill;
      })
      .toBe(true);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });
});
