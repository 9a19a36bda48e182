import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AckGate } from './ack-gate.js';

const puback = (packetId: number) => Buffer.from([0x40, 2, packetId >> 8, packetId & 0xff]);

/** A PUBLISH at QoS 0 whose payload looks like PUBACKs; its length may take two bytes. */
function publish(payloadBytes: number): Buffer {
  const body = Buffer.concat([Buffer.from([0, 1, 0x61]), Buffer.alloc(payloadBytes, puback(1))]);
  const length = body.length < 128 ? [body.length] : [(body.length % 128) + 128, Math.floor(body.length / 128)];
  return Buffer.concat([Buffer.from([0x30, ...length]), body]);
}

/** A gate, and what reached the socket. */
function openGate() {
  const socket = new PassThrough();
  const sent: Buffer[] = [];
  // The socket is read by the gate too; what passes is what is written.
  const write = socket.write.bind(socket);
  Object.assign(socket, {
    write: (bytes: Buffer) => {
      sent.push(bytes);
      return write(bytes);
    },
  });
  const gate = new AckGate(socket);
  gate.resume();
  return { gate, sent: () => Buffer.concat(sent) };
}

function cut(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let offset = 0, turn = 0; offset < bytes.length; turn++) {
    const end = offset + (lengths[turn % lengths.length] ?? 1);
    pieces.push(bytes.subarray(offset, end));
    offset = end;
  }
  return pieces;
}

describe('acknowledgements on their way to the socket', () => {
  it('wait until they are released, and other packets do not, however the bytes are cut', async () => {
    const packet = fc.oneof(fc.constantFrom(0, 10, 200).map(publish), fc.integer({ min: 1, max: 0xffff }).map(puback));
    const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(fc.array(packet), cuts, async (packets, lengths) => {
        const { gate, sent } = openGate();
        for (const piece of cut(Buffer.concat(packets), lengths)) gate.write(piece);
        await new Promise(setImmediate);
        expect(sent()).toEqual(Buffer.concat(packets.filter(([type]) => type !== 0x40)));
        gate.destroy();
      }),
    );
  });

  it('leave once, in the order they are released', async () => {
    const { gate, sent } = openGate();
    for (const packetId of [1, 2, 300]) gate.write(puback(packetId));
    for (const packetId of [300, 1]) gate.acknowledge(packetId);
    await new Promise(setImmediate);
    expect(sent()).toEqual(Buffer.concat([puback(300), puback(1)]));
    gate.destroy();
  });
});
