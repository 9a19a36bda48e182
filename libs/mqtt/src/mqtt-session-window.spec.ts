import { spawnMosquitto, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { openMqttSession } from './connect.js';
import type { MqttMessage } from './mqtt-session.js';
import { acknowledged, packetTypes, publishPacket, ScriptedBroker } from './scripted-broker.fixture.js';

const quiet = { onFault: () => undefined };
const connack3 = [0x20, 2, 0, 0];

/** A handler whose messages are done when the test says so. */
function heldHandler() {
  const started: string[] = [];
  const holds = new Map<string, PromiseWithResolvers<void>>();
  return {
    started,
    onMessage: ({ payload }: MqttMessage): Promise<void> => {
      const hold = Promise.withResolvers<void>();
      started.push(String(payload));
      holds.set(String(payload), hold);
      return hold.promise;
    },
    finish: (...names: string[]) => {
      for (const name of names) holds.get(name)?.resolve();
    },
    fail: (name: string) => holds.get(name)?.reject(new Error(`no room for ${name}`)),
  };
}

describe('the window of an MQTT session', () => {
  it('lets so many handlers run at once, and the next when one is done', async () => {
    const broker = new ScriptedBroker(connack3);
    const handler = heldHandler();
    const session = openMqttSession(broker.connection, { ...quiet, isDurable: true, window: 2, ...handler });
    await session.connected(5_000);
    for (const id of [1, 2, 3, 4]) broker.send(...publishPacket(id, `m${id}`));
    await waitFor(() => handler.started.length === 2);
    handler.finish('m2');
    await waitFor(() => handler.started.length === 3);
    expect(handler.started).toEqual(['m1', 'm2', 'm3']);
    handler.finish('m1', 'm3');
    await waitFor(() => handler.started.length === 4);
    handler.finish('m4');
    expect((await broker.expect(packetTypes.puback, 4)).map(acknowledged)).toEqual([1, 2, 3, 4]);
    await session.close();
  });

  it('acknowledges in the order of the messages, whichever handler ends first [MQTT-4.6.0-2]', async () => {
    const broker = new ScriptedBroker(connack3);
    const handler = heldHandler();
    const session = openMqttSession(broker.connection, { ...quiet, isDurable: true, window: 10, ...handler });
    await session.connected(5_000);
    for (const id of [7, 8, 9]) broker.send(...publishPacket(id, `m${id}`));
    await waitFor(() => handler.started.length === 3);
    handler.finish('m9', 'm8');
    // A publication of ours passes meanwhile, so what may leave has left.
    await session.publish('b', 'x', { qos: 0 });
    await broker.expect(packetTypes.publish, 1);
    expect(broker.ofType(packetTypes.puback)).toEqual([]);
    handler.finish('m7');
    expect((await broker.expect(packetTypes.puback, 3)).map(acknowledged)).toEqual([7, 8, 9]);
    await session.close();
  });

  it('acknowledges nothing from a failed handler on, and the broker delivers that again', async () => {
    await using broker = await spawnMosquitto();
    const handler = heldHandler();
    const options = { ...quiet, isDurable: true, window: 10, filters: [{ filter: 'n' }] };
    const connection = { kind: 'network', url: broker.url, clientId: 'bridge' } as const;
    const again: MqttMessage[] = [];
    let onMessage: (message: MqttMessage) => void | Promise<void> = handler.onMessage;
    const session = openMqttSession(connection, { ...options, onMessage: (message) => onMessage(message) });
    await session.connected(5_000);
    for (const payload of ['1', '2', '3']) await session.publish('n', payload);
    await waitFor(() => handler.started.length === 3);
    onMessage = (message) => void again.push(message);
    handler.finish('1');
    // The broker has the acknowledgement when it has what was sent after it.
    await session.publish('mark', 'x');
    handler.fail('2');
    await waitFor(() => !session.isConnected);
    // The third still runs: it must not run a second time beside itself.
    expect(again).toEqual([]);
    handler.finish('3');
    await waitFor(() => again.length === 2);
    expect(again.map(({ payload, isDuplicate }) => [String(payload), isDuplicate])).toEqual([
      ['2', true],
      ['3', true],
    ]);
    await session.close();
  });

  it('lets a handler publish in its own session, and hears the answer', async () => {
    await using broker = await spawnMosquitto();
    const received: string[] = [];
    const session = openMqttSession(
      { kind: 'network', url: broker.url, clientId: 'echo' },
      {
        ...quiet,
        isDurable: false,
        filters: [{ filter: 'question' }, { filter: 'answer' }],
        window: 2,
        onMessage: async ({ topic }) => {
          if (topic === 'question') await session.publish('answer', 'x');
          received.push(topic);
        },
      },
    );
    await session.connected(5_000);
    await session.publish('question', 'x');
    await waitFor(() => received.length === 2);
    await session.close();
  });
});

describe('what an MQTT session has published and the broker has not acknowledged', () => {
  it('is never more than the broker allows (Receive Maximum, MQTT 5.0 §4.9)', async () => {
    // CONNACK of MQTT 5 with the property Receive Maximum (0x21) = 2.
    const broker = new ScriptedBroker([0x20, 6, 0, 0, 3, 0x21, 0, 2]);
    const session = openMqttSession(broker.connection, { ...quiet, isDurable: true, protocolVersion: 5 });
    await session.connected(5_000);
    const publishing = ['1', '2', '3'].map((payload) => session.publish('a', payload));
    const sent = await broker.expect(packetTypes.publish, 2);
    await session.publish('b', 'mark', { qos: 0 });
    await waitFor(() => broker.ofType(packetTypes.publish).some((packet) => packet.includes('mark')));
    expect(broker.ofType(packetTypes.publish)).toHaveLength(3);
    for (const packet of sent) broker.send(0x40, 2, packet[5] ?? 0, packet[6] ?? 0);
    const all = await broker.expect(packetTypes.publish, 4);
    const last = all.at(-1) ?? Buffer.alloc(0);
    expect(last.subarray(-1).toString()).toBe('3');
    broker.send(0x40, 2, last[5] ?? 0, last[6] ?? 0);
    await Promise.all(publishing);
    await session.close();
  });
});
