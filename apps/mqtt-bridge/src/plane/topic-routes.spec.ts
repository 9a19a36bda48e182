import { encodePublish, PacketError, PacketReader, PublishView } from '@sallyport/mqtt-wire';
import { describe, expect, it } from 'vitest';
import { BridgeCounters } from './bridge-counters.js';
import type { BridgeRules } from './bridge-types.js';
import { TopicRoutes } from './topic-routes.js';

function viewOf(topic: string): PublishView {
  const [payload, properties] = [Buffer.from('text'), undefined];
  const publish = { type: 'publish', topic, payload, properties, qos: 0, retain: false, isDuplicate: false } as const;
  const bytes = encodePublish({ ...publish, packetId: 0 }, 4);
  const reader = new PacketReader({ sender: 'server', version: 4, largestBytes: bytes.length });
  reader.push(bytes);
  reader.advance();
  const view = new PublishView(4);
  view.aim(reader);
  return view;
}

function routesOf(prefix: string): { readonly routes: TopicRoutes; readonly asked: string[] } {
  const asked: string[] = [];
  const counters = new BridgeCounters();
  const rules: BridgeRules = {
    filters: () => [],
    map: (_direction, topic) => {
      asked.push(topic);
      return topic.startsWith('a/') ? { topic: prefix + topic, rule: 'a', isBidirectional: false } : undefined;
    },
  };
  return { routes: new TopicRoutes('outbound', rules, (rule) => counters.of('outbound', rule)), asked };
}

const targetOf = (routes: TopicRoutes, topic: string) => routes.routeOf(viewOf(topic)).target?.toString();

describe('the routes of topics', () => {
  it('asks the rules once for a topic that comes again', () => {
    const { routes, asked } = routesOf('x/');
    for (const topic of ['a/1', 'a/2', 'a/1', 'a/é', 'a/é', 'b', 'b']) targetOf(routes, topic);
    expect(asked).toEqual(['a/1', 'a/2', 'a/é', 'b']);
  });

  it('gives each of very many topics its own answer', () => {
    const { routes } = routesOf('x/');
    const topics = Array.from({ length: 20_000 }, (_, index) => `a/device${index}`);
    for (const round of [1, 2])
      for (const topic of topics) if (targetOf(routes, topic) !== `x/${topic}`) expect([round, topic]).toEqual([]);
  });

  it('does not remember long topics, and answers for them all the same', () => {
    const { routes, asked } = routesOf('x/');
    const long = `a/${'l'.repeat(600)}`;
    for (const topic of [long, 'a/1', long]) expect(targetOf(routes, topic)).toBe(`x/${topic}`);
    expect(asked).toHaveLength(3);
  });

  it('has no target for a topic that a prefix makes too long for MQTT', () => {
    const { routes } = routesOf('x'.repeat(100));
    expect(targetOf(routes, `a/${'l'.repeat(65_433)}`)?.length).toBe(65_535);
    expect(targetOf(routes, `a/${'l'.repeat(65_434)}`)).toBeUndefined();
  });

  it('has the same hash for a topic whatever the rules are, so that it stays on its connection', () => {
    const hashes = ['x/', 'y/'].map((prefix) => routesOf(prefix).routes.routeOf(viewOf('a/1')).hash);
    expect(hashes[0]).toBe(hashes[1]);
  });

  it('refuses what is no topic name', () => {
    const { routes } = routesOf('x/');
    for (const topic of ['', 'a/#', 'a/+/b', 'a\u0000']) expect(() => targetOf(routes, topic)).toThrow(PacketError);
  });
});
