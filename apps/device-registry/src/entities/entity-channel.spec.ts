import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RegistryUnderTest } from '../registry.fixture.js';
import { DeviceSide, EntityClient } from './entities.fixture.js';
import { EntityIntake } from './entity-intake.js';

describe('entities over MQTT', () => {
  let registry: RegistryUnderTest;
  let entities: EntityClient;
  let device: DeviceSide;
  let settlings = 0;

  beforeEach(async () => {
    await begin({});
  });

  afterEach(async () => {
    await device[Symbol.asyncDispose]();
    await registry.stop();
  });

  async function begin(environment: Record<string, string>): Promise<void> {
    registry = await RegistryUnderTest.start(environment);
    entities = new EntityClient(registry);
    device = await DeviceSide.open(registry);
    await heard('te/device/main// {"@type":"device"}');
  }

  async function beginAnew(environment: Record<string, string>): Promise<void> {
    await device[Symbol.asyncDispose]();
    await registry.stop();
    await begin(environment);
  }

  const heard = (message: string) =>
    waitFor(() => device.heard.includes(message), { what: `${message} in: ${device.heard.join('\n')}` });
  const isRegistered = (id: string) =>
    waitFor(async () => (await entities.find(id)) !== undefined, { what: `registration of ${id}` });
  const isGone = (id: string) =>
    waitFor(async () => (await entities.find(id)) === undefined, { what: `removal of ${id}` });

  /** Resolves when everything published before has been handled: the registry handles messages in order. */
  async function settled(): Promise<void> {
    settlings += 1;
    const id = `device/settled-${settlings}//`;
    await device.retain(`te/${id}`, '{"@type":"child-device"}');
    await isRegistered(id);
  }

  describe('a registration', () => {
    it('makes an entity, and its other fields become messages of its twin', async () => {
      await device.retain('te/device/child01//', '{"@type":"child-device","name":"x","type":"y","@id":"ext"}');
      await heard('te/device/child01///twin/name "x"');
      await heard('te/device/child01///twin/type "y"');
      expect(await entities.find('device/child01//')).toBe(
        '{"@topic-id":"device/child01//","@parent":"device/main//","@type":"child-device","@id":"ext"}',
      );
      expect(await entities.twin('device/child01//')).toEqual({ name: 'x', type: 'y' });
    });

    it('changes an entity when it comes again', async () => {
      await device.retain('te/device/a//', '{"@type":"child-device"}');
      await device.retain('te/device/b//', '{"@type":"child-device"}');
      await device.retain('te/device/b//', '{"@type":"child-device","@parent":"device/a//"}');
      await settled();
      expect(await entities.list({ parent: 'device/a//' })).toEqual(['device/b//']);
    });

    it('waits for its parent, with what came after it', async () => {
      await device.retain('te/device/c/service/app', '{"@type":"service","@parent":"device/c//"}');
      await device.retain('te/device/c/service/app/twin/x', '1');
      await device.retain('te/device/c//', '{"@type":"child-device","@parent":"device/b//"}');
      await device.retain('te/device/b//', '{"@type":"child-device"}');
      await isRegistered('device/c/service/app');
      expect(await entities.list({ root: 'device/b//' })).toEqual(['device/b//', 'device/c//', 'device/c/service/app']);
      await waitFor(async () => (await entities.twin('device/c/service/app'))['x'] === 1);
    });

    it.each([
      ['no JSON', '{"@type"'],
      ['without type', '{}'],
      ['with an unknown type', '{"@type":"main-device"}'],
      ['of a second main device', '{"@type":"device"}'],
      ['of a list', '[]'],
      ['deeper than any reader goes', '['.repeat(100_000)],
      ['with itself as parent', '{"@type":"child-device","@parent":"device/bad//"}'],
      ['with a name for its twin that no topic can have', '{"@type":"child-device","a/b":1}'],
    ])('is ignored when it is %s', async (_case, payload) => {
      await device.retain('te/device/bad//', payload);
      await settled();
      expect(await entities.find('device/bad//')).toBeUndefined();
      expect(registry.logged.some((line) => line.includes('message about an entity was ignored'))).toBe(true);
    });

    it('is withdrawn by an empty message, with all that is below the entity', async () => {
      await device.retain('te/device/a//', '{"@type":"child-device"}');
      await device.retain('te/device/a/service/app', '{"@type":"service"}');
      await device.retain('te/device/a/service/app/twin/x', '1');
      await isRegistered('device/a/service/app');
      await device.retain('te/device/a//', '');
      await isGone('device/a/service/app');
      await waitFor(async () => (await device.retained('te/device/a/#')).length === 0);
    });

    it('of the main device cannot be withdrawn', async () => {
      await device.retain('te/device/main//', '');
      await waitFor(async () => (await device.retained('te/device/main//')).length === 1);
      expect(await entities.find('device/main//')).toBe('{"@topic-id":"device/main//","@type":"device"}');
    });
  });

  describe('the first message of an entity', () => {
    it('registers its device and itself, and says so', async () => {
      await device.publish('te/device/auto_child/service/collectd/m/ram', '{"current": 6 }');
      await heard('te/device/auto_child// {"@parent":"device/main//","@type":"child-device","name":"auto_child"}');
      await heard(
        'te/device/auto_child/service/collectd {"@parent":"device/auto_child//","@type":"service","name":"collectd"}',
      );
      await heard('te/device/auto_child///twin/name "auto_child"');
      expect(await entities.list({ root: 'device/auto_child//' })).toEqual([
        'device/auto_child//',
        'device/auto_child/service/collectd',
      ]);
    });

    it('registers a service that waits for its device, once the device shows itself', async () => {
      await device.retain('te/device/c/service/tedge-agent', '{"@parent":"device/c//","@type":"service"}');
      await device.retain('te/device/c///cmd/restart', '{}');
      await isRegistered('device/c/service/tedge-agent');
    });

    it.each([
      ['te/factory/hall/oven//m/temp', 'factory/hall/oven/'],
      ['te/device/x/other/y/m/temp', 'device/x/other/y'],
    ])('registers nothing when it comes to %s, of a custom scheme', async (topic, id) => {
      await device.publish(topic, '{"t":1}');
      await settled();
      expect(await entities.find(id)).toBeUndefined();
    });

    it('costs no question to the broker when its device has as many entities as it may', async () => {
      await entities.register('device/full//');
      for (let count = 1; count < 200; count += 1) await entities.register(`device/full/service/s${count}`);
      await device.publish('te/device/full/service/more/m/temp', '{"t":1}');
      await settled();
      expect(await entities.find('device/full/service/more')).toBeUndefined();
      expect(device.heard.filter((line) => line.includes('/service/more/signal/'))).toEqual([]);
    });

    it('registers nothing when it is empty', async () => {
      await device.publish('te/device/empty///m/temp', '');
      await settled();
      expect(await entities.find('device/empty//')).toBeUndefined();
    });

    it('registers nothing with agent.entity_store.auto_register off', async () => {
      await beginAnew({ TEDGE_AGENT_ENTITY_STORE_AUTO_REGISTER: 'false' });
      await device.publish('te/device/unknown///m/temp', '{"t":1}');
      await device.retain('te/device/unknown///twin/early', '1');
      await settled();
      expect(await entities.find('device/unknown//')).toBeUndefined();
      await device.retain('te/device/unknown//', '{"@type":"child-device"}');
      await isRegistered('device/unknown//');
      await waitFor(async () => (await entities.twin('device/unknown//'))['early'] === 1);
    });
  });

  describe('a change over HTTP', () => {
    it('is published, retained and in the form of thin-edge.io', async () => {
      await entities.register('device/child01//', { twin: { name: 'x', b: { d: 1, c: 2 } } });
      await entities.writeTwin('device/child01//', { b: 5, gone: 1 });
      await entities.writeTwin('device/child01//', { gone: null });
      await heard('te/device/child01///twin/gone ');
      expect(await device.retained('te/device/child01/#')).toEqual([
        'te/device/child01// {"@parent":"device/main//","@type":"child-device","b":{"c":2,"d":1},"name":"x"}',
        'te/device/child01///twin/b 5',
        'te/device/child01///twin/name "x"',
      ]);
      await entities.register('device/child01/service/app');
      await entities.update('device/child01//', { health: 'device/child01/service/app' });
      await heard(
        'te/device/child01// {"@health":"device/child01/service/app","@parent":"device/main//","@type":"child-device"}',
      );
    });

    it('is not published again where nothing changes', async () => {
      await entities.register('device/a//');
      await entities.writeTwin('device/a//', { x: 1, y: 1 }, { isWhole: true });
      await entities.writeTwin('device/a//', { x: 1, y: 2 }, { isWhole: true });
      await heard('te/device/a///twin/y 2');
      await settled();
      expect(device.heard.filter((message) => message.startsWith('te/device/a///twin/x'))).toHaveLength(1);
    });

    it('is not undone by its own echo, however fast changes follow each other', async () => {
      await entities.register('device/b//');
      await entities.register('device/a//');
      for (let round = 0; round < 100; round += 1) {
        const parent = round % 2 === 0 ? 'device/b//' : 'device/main//';
        await entities.update('device/a//', { parent });
        await entities.writeTwin('device/a//', { round });
        // The echoes of earlier rounds arrive about now.
        expect(await entities.twin('device/a//')).toEqual({ round });
        expect(await entities.find('device/a//')).toContain(`"@parent":"${parent}"`);
      }
      await entities.remove('device/a//');
      await entities.register('device/a//', { parent: 'device/b//' });
      await settled();
      expect(await entities.find('device/a//')).toContain('"@parent":"device/b//"');
      expect(await entities.twin('device/a//')).toEqual({});
      expect(await device.retained('te/device/a/#')).toEqual([
        'te/device/a// {"@parent":"device/b//","@type":"child-device"}',
      ]);
    });
  });

  it('say again what is stored when the broker keeps something older of ours', async () => {
    const intake = registry.part(EntityIntake);
    const compare = (topic: string, text: string) => intake.compare({ topic, payload: Buffer.from(text) });
    await entities.register('device/a//', { twin: { x: 1 } });
    await heard('te/device/a///twin/x 1');
    // As if a device had said the present state just before we said the older one.
    await device.retain('te/device/a//', '{"@parent":"device/main//","@type":"child-device","@id":"new"}');
    await device.retain('te/device/a///twin/x', '2');
    await settled();
    device.heard.length = 0;
    await compare('te/device/a//', '{"@parent":"device/main//","@type":"child-device"}');
    await compare('te/device/a///twin/x', '1');
    await heard('te/device/a// {"@id":"new","@parent":"device/main//","@type":"child-device"}');
    await heard('te/device/a///twin/x 2');
  });

  describe('a removal', () => {
    const retained = [
      ['te/device/child0///twin/foo', '"bar"'],
      ['te/device/child0///a/high_temp', '{"severity":"critical"}'],
      ['te/device/child0///m/temp/meta', '{"unit":"C"}'],
      ['te/device/child0///config', '{"x":1}'],
      ['te/device/child0///cmd/log_upload', '{}'],
      ['te/device/child0///cmd/log_upload/123', '{"status":"init"}'],
      ['te/device/child0/service/service0', '{"@type":"service"}'],
      ['te/device/child0/service/service0/status/health', '{"status":"up"}'],
      ['te/device/child00//', '{"@type":"child-device","@parent":"device/child0//"}'],
      ['te/device/child00///cmd/restart', '{}'],
    ] as const;

    it('clears everything retained of the entity and of all below it, and nothing else', async () => {
      await entities.register('device/child0//');
      await entities.register('device/child1//');
      for (const [topic, payload] of retained) await device.retain(topic, payload);
      await isRegistered('device/child00//');
      await settled();
      await entities.remove('device/child0//');
      await waitFor(async () => (await device.retained('te/device/child0/#')).length === 0);
      await waitFor(async () => (await device.retained('te/device/child00/#')).length === 0);
      expect(await device.retained('te/device/child1/#')).toHaveLength(1);
      const cleared = device.heard.filter((message) => /^te\/device\/child0\/(?:\/|service\/service0) $/.test(message));
      expect(cleared).toEqual(['te/device/child0/service/service0 ', 'te/device/child0// ']);
    });

    it('outlives a restart in its middle: what the broker still keeps brings nothing back', async () => {
      await entities.register('device/child0//');
      for (const [topic, payload] of retained) await device.retain(topic, payload);
      await isRegistered('device/child00//');
      await entities.remove('device/child0//');
      await registry.restart();
      await settled();
      expect(await entities.find('device/child0//')).toBeUndefined();
      await waitFor(async () => (await device.retained('te/device/child0/#')).length === 0);
      await waitFor(async () => (await device.retained('te/device/child00/#')).length === 0);
      expect(await entities.find('device/child00//')).toBeUndefined();
    });
  });

  describe('after a restart', () => {
    it('a registration and a removal that came meanwhile are heard', async () => {
      await device.retain('te/device/old//', '{"@type":"child-device"}');
      await isRegistered('device/old//');
      await registry.stopService();
      await device.retain('te/device/old//', '');
      await device.retain('te/device/new//', '{"@type":"child-device"}');
      await device.retain('te/device/new///twin/x', '1');
      await registry.startService();
      await isRegistered('device/new//');
      await isGone('device/old//');
      await waitFor(async () => (await entities.twin('device/new//'))['x'] === 1);
    });

    it('the first fragments of a registration do not replace later ones', async () => {
      await device.retain('te/device/a//', '{"@type":"child-device","name":"first"}');
      await isRegistered('device/a//');
      await device.retain('te/device/a///twin/name', '"later"');
      await waitFor(async () => (await entities.twin('device/a//'))['name'] === 'later');
      await registry.restart();
      await settled();
      expect(await entities.twin('device/a//')).toEqual({ name: 'later' });
    });

    it('everything is forgotten with agent.entity_store.clean_start, and comes back from what the broker keeps', async () => {
      await beginAnew({ TEDGE_AGENT_ENTITY_STORE_CLEAN_START: 'true' });
      await device.publish('te/device/fleeting//', '{"@type":"child-device"}');
      await device.retain('te/device/kept//', '{"@type":"child-device"}');
      await isRegistered('device/fleeting//');
      await registry.restart();
      await isRegistered('device/kept//');
      expect(await entities.find('device/fleeting//')).toBeUndefined();
    });
  });

  it('keep their place when what they say is heard before their registration', async () => {
    await beginAnew({ TEDGE_AGENT_ENTITY_STORE_CLEAN_START: 'true' });
    await device.retain('te/device/b//', '{"@type":"child-device"}');
    // More than a broker sends before the first is acknowledged, so that messages at QoS 0 come first.
    const ids = Array.from({ length: 60 }, (_, index) => `device/c${index}//`);
    for (const id of ids) {
      await device.retain(`te/${id}`, '{"@type":"child-device","@parent":"device/b//"}');
      await device.retain(`te/${id}/status/health`, '{"status":"up"}');
    }
    await waitFor(async () => (await entities.list({ parent: 'device/b//' })).length === ids.length);
    await registry.restart();
    await waitFor(
      async () => (await entities.list({ root: 'device/main//', type: 'child-device' })).length > ids.length,
    );
    await settled();
    expect((await entities.list({ parent: 'device/b//' })).length).toBe(ids.length);
    const registrations = (await device.retained('te/+/+/+/+')).filter((each) => /\/c\d/.test(each));
    expect(registrations.filter((each) => each.includes('"@parent":"device/b//"'))).toHaveLength(ids.length);
  });

  it('are told to a broker that has lost everything', async () => {
    await entities.register('device/a//', { twin: { x: 1 } });
    await device.retain('te/device/b//', '{"@type":"child-device","@parent":"device/a//"}');
    await isRegistered('device/b//');
    await registry.loseBroker();
    const kept = [
      'te/device/a// {"@parent":"device/main//","@type":"child-device"}',
      'te/device/a///twin/x 1',
      'te/device/b// {"@parent":"device/a//","@type":"child-device"}',
      'te/device/main// {"@type":"device"}',
    ];
    const isTold = (all: string[]) => kept.every((message) => all.includes(message));
    await waitFor(async () => isTold(await device.retained()));
    expect(await entities.list({ root: 'device/a//' })).toEqual(['device/a//', 'device/b//']);
  });

  it('shown settings are kept, and go with an empty message', async () => {
    await device.retain('te/device/main/service/tedge-agent', '{"@type":"service"}');
    await device.retain('te/device/main/service/tedge-agent/config', '{"b":true,"a":1883}');
    await waitFor(
      async () => JSON.stringify(await entities.config('device/main/service/tedge-agent')) === '{"a":1883,"b":true}',
    );
    await device.retain('te/device/main/service/tedge-agent/config', '');
    await waitFor(async () => JSON.stringify(await entities.config('device/main/service/tedge-agent')) === '{}');
  });

  it('have the topic root of mqtt.topic_root', async () => {
    await device[Symbol.asyncDispose]();
    await registry.stop();
    registry = await RegistryUnderTest.start({ TEDGE_MQTT_TOPIC_ROOT: 'site/a' });
    entities = new EntityClient(registry);
    device = await DeviceSide.open(registry);
    await device.retain('te/device/other//', '{"@type":"child-device"}');
    await device.retain('site/a/device/own//', '{"@type":"child-device"}');
    await isRegistered('device/own//');
    expect(await entities.find('device/other//')).toBeUndefined();
  });
});
