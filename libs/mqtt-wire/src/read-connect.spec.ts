import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { encodeConnect, PacketReader, readConnect } from './index.js';

const never = new AbortController().signal;
const largestBytes = 1_000;

// MQTT 5: session expiry 10 s, client id "a", will delay 1 s, will topic "w", payload "gone", user "u", password "pw".
const connectBytes = Buffer.from(
  '102900044d5154540 5ee003c05110000000a0001610518000000010001770004676f6e65000175000 27077'.replaceAll(' ', ''),
  'hex',
);

function pair() {
  const [ours, theirs] = duplexPair();
  return { ours, theirs };
}

describe('reading the CONNECT of a client', () => {
  it('gives the packet, its bytes and all that came behind it', async () => {
    const { ours, theirs } = pair();
    theirs.write(Buffer.concat([connectBytes, Buffer.from('c000', 'hex')]));
    const first = await readConnect(ours, { largestBytes, signal: never });
    expect(first?.connect).toMatchObject({
      version: 5,
      clientId: 'a',
      userName: 'u',
      password: Buffer.from('pw'),
      properties: { sessionExpiryInterval: 10 },
      will: { topic: 'w', payload: Buffer.from('gone'), qos: 1, retain: true, properties: { willDelayInterval: 1 } },
    });
    expect(first?.frame).toEqual(connectBytes);
    expect(first?.rest.toString('hex')).toBe('c000');
  });

  it('leaves what comes later in the stream', async () => {
    const { ours, theirs } = pair();
    for (const byte of connectBytes) theirs.write(Buffer.from([byte]));
    const first = await readConnect(ours, { largestBytes, signal: never });
    expect(first?.rest).toHaveLength(0);
    theirs.end(Buffer.from('c000', 'hex'));
    const later: Buffer[] = [];
    for await (const chunk of ours) later.push(chunk);
    expect(Buffer.concat(later).toString('hex')).toBe('c000');
  });

  it('tells that the client went without a CONNECT', async () => {
    const { ours, theirs } = pair();
    theirs.end(connectBytes.subarray(0, 20));
    expect(await readConnect(ours, { largestBytes, signal: never })).toBeUndefined();
  });

  it('ends with the reason of the signal, and takes nothing more from the stream', async () => {
    const { ours, theirs } = pair();
    const deadline = new AbortController();
    const reading = readConnect(ours, { largestBytes, signal: deadline.signal });
    deadline.abort(new Error('the deadline is over'));
    await expect(reading).rejects.toThrow('the deadline is over');
    expect(ours.isPaused()).toBe(true);
    theirs.destroy();
  });

  it('refuses a CONNECT over the limit before it has come', async () => {
    const { ours, theirs } = pair();
    theirs.write(Buffer.from('10e907', 'hex'));
    await expect(readConnect(ours, { largestBytes, signal: never })).rejects.toThrow(
      'larger than the limit of 1000 bytes',
    );
  });

  it('refuses another first packet', async () => {
    const { ours, theirs } = pair();
    theirs.write(Buffer.from('c000', 'hex'));
    await expect(readConnect(ours, { largestBytes, signal: never })).rejects.toThrow('PINGREQ came before CONNECT');
  });
});

it('a CONNECT is passed on with another name, without its password, and with all else kept', () => {
  const reader = new PacketReader({ sender: 'client', largestBytes });
  reader.push(connectBytes);
  const connect = reader.next();
  if (connect?.type !== 'connect') throw new Error('no CONNECT');
  const changed = encodeConnect({ ...connect, clientId: 'child1/a', userName: 'child1', password: undefined });
  expect(changed.toString('latin1')).toBe(
    '\x10\x31\0\x04MQTT\x05\xae\0\x3c\x05\x11\0\0\0\x0a\0\x08child1/a\x05\x18\0\0\0\x01\0\x01w\0\x04gone\0\x06child1',
  );
});
