import { describe, expect, it } from 'vitest';
import { type ConnectPacket, encodeConnect, PacketReader } from './index.js';

// MQTT 5: session expiry 10 s, client id "a", will delay 1 s, will topic "w", payload "gone", user "u", password "pw".
const bytes = '102900044d51545405ee003c05110000000a0001610518000000010001770004676f6e6500017500027077';

function readConnect(): ConnectPacket {
  const reader = new PacketReader({ sender: 'client', largestBytes: 1_000 });
  reader.push(Buffer.from(bytes, 'hex'));
  const connect = reader.next();
  if (connect?.type !== 'connect') throw new Error('no CONNECT');
  return connect;
}

describe('a CONNECT', () => {
  it('is read with its will, its credentials and its properties', () => {
    expect(readConnect()).toEqual({
      type: 'connect',
      version: 5,
      clientId: 'a',
      isClean: true,
      keepAliveSeconds: 60,
      userName: 'u',
      password: Buffer.from('pw'),
      properties: { sessionExpiryInterval: 10 },
      will: { topic: 'w', payload: Buffer.from('gone'), qos: 1, retain: true, properties: { willDelayInterval: 1 } },
    });
  });

  it('is passed on with another name, without its password, and with all else kept', () => {
    const changed = encodeConnect({ ...readConnect(), clientId: 'child1/a', userName: 'child1', password: undefined });
    expect(changed.toString('latin1')).toBe(
      '\x10\x31\0\x04MQTT\x05\xae\0\x3c\x05\x11\0\0\0\x0a\0\x08child1/a\x05\x18\0\0\0\x01\0\x01w\0\x04gone\0\x06child1',
    );
  });
});
