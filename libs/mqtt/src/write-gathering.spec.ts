import { once } from 'node:events';
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { gatherWrites } from './write-gathering.js';

/** A connection that notes what each system call would send. */
function recordingStream(): { stream: Writable; sent: string[] } {
  const sent: string[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      sent.push(String(chunk));
      done();
    },
    writev: (writes, done) => {
      sent.push(writes.map(({ chunk }) => String(chunk)).join(''));
      done();
    },
  });
  gatherWrites(stream);
  return { stream, sent };
}

/** As MQTT.js writes a packet: piece by piece between cork and uncork. */
function writePacket(stream: Writable, ...pieces: string[]): void {
  stream.cork();
  for (const piece of pieces) stream.write(piece);
  process.nextTick(() => stream.uncork());
}

describe('packets to the broker', () => {
  it('leave together when they were written in one turn of the event loop', async () => {
    const { stream, sent } = recordingStream();
    writePacket(stream, 'a', '1');
    await new Promise((resolve) => process.nextTick(resolve));
    writePacket(stream, 'b', '2');
    await new Promise(setImmediate);
    expect(sent).toEqual(['a1b2']);
  });

  it('do not wait for those of a later turn', async () => {
    const { stream, sent } = recordingStream();
    for (const name of ['a', 'b']) {
      writePacket(stream, name);
      await new Promise(setImmediate);
    }
    expect(sent).toEqual(['a', 'b']);
  });

  it('leave before the end of the connection', async () => {
    const { stream, sent } = recordingStream();
    writePacket(stream, 'disconnect');
    stream.end();
    await once(stream, 'finish');
    expect(sent).toEqual(['disconnect']);
  });
});
