import { describe, expect, it } from 'vitest';
import { BrokerSession, type StoredPacket } from './broker-session.js';

const limits = { queuedMessages: 3, queuedBytes: 10_000 };

function message(counter: number, payload = 'x'): StoredPacket {
  const body = { topic: 'a', payload: Buffer.from(payload), qos: 1, retain: false };
  return { cmd: 'publish', ...body, brokerId: 'broker', brokerCounter: counter };
}

function payloads(session: BrokerSession): string[] {
  return [...session.unacknowledged].map(({ payload }) => String(payload));
}

describe('session kept by the broker', () => {
  it('keeps messages in their order until they are acknowledged', () => {
    const session = new BrokerSession('s', limits);
    for (const counter of [1, 2, 3]) session.enqueue(message(counter, String(counter)));
    session.update({ ...message(2), messageId: 17 });
    expect(session.acknowledge(17)?.payload?.toString()).toBe('2');
    expect(payloads(session)).toEqual(['1', '3']);
  });

  it('takes no acknowledgement for a message that was not sent', () => {
    const session = new BrokerSession('s', limits);
    session.enqueue(message(1));
    expect([session.acknowledge(undefined), session.acknowledge(17)]).toEqual([undefined, undefined]);
    expect(payloads(session)).toEqual(['x']);
  });

  it('takes one packet identifier for one message alone [MQTT-2.3.1-2]', () => {
    const session = new BrokerSession('s', limits);
    for (const counter of [1, 2]) session.enqueue(message(counter, String(counter)));
    session.update({ ...message(1), messageId: 17 });
    expect(() => session.update({ ...message(2), messageId: 17 })).toThrow('the packet identifier 17 belongs to');
    expect(session.acknowledge(17)?.payload?.toString()).toBe('1');
    expect(payloads(session)).toEqual(['2']);
    expect(session.update({ ...message(2), messageId: 17 })).toBe(true);
  });

  it('drops what comes when it is full by number', () => {
    const session = new BrokerSession('s', limits);
    expect([1, 2, 3, 4].map((counter) => session.enqueue(message(counter)))).toEqual([true, true, true, false]);
  });

  it('drops what comes when it is full by size, and has room again after an acknowledgement', () => {
    const session = new BrokerSession('s', limits);
    const large = 'x'.repeat(9_000);
    expect([session.enqueue(message(1, large)), session.enqueue(message(2, large))]).toEqual([true, false]);
    session.update({ ...message(1), messageId: 1 });
    session.acknowledge(1);
    expect(session.enqueue(message(3, large))).toBe(true);
  });

  it('goes on with a QoS 2 handshake in the place of its message', () => {
    const session = new BrokerSession('s', limits);
    session.enqueue(message(1));
    session.enqueue(message(2, 'second'));
    session.update({ ...message(1), messageId: 17 });
    expect(session.update({ cmd: 'pubrel', messageId: 17, brokerId: 'broker', brokerCounter: 99 })).toBe(true);
    expect([...session.unacknowledged].map(({ cmd }) => cmd)).toEqual(['pubrel', 'publish']);
    expect(session.acknowledge(17)?.cmd).toBe('pubrel');
  });

  it('knows no message that was never queued', () => {
    expect(new BrokerSession('s', limits).update({ ...message(1), messageId: 17 })).toBe(false);
  });
});
