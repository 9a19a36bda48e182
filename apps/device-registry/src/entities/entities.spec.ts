import { scopedStore } from '@sallyport/store';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RegistryUnderTest } from '../registry.fixture.js';
import { EntityClient, refusalOf } from './entities.fixture.js';
import { entityLimits } from './entity-limits.js';

describe('the entities of a registry', () => {
  let registry: RegistryUnderTest;
  let entities: EntityClient;
  let number = 0;

  beforeAll(async () => {
    registry = await RegistryUnderTest.start();
    entities = new EntityClient(registry);
  });

  afterAll(() => registry.stop());

  /** A device that no other test uses. */
  async function newDevice(parent = 'device/main//'): Promise<string> {
    number += 1;
    const id = `device/child${number}//`;
    await entities.register(id, { parent });
    return id;
  }

  const serviceOf = (device: string, name = 'app') => `${device.slice(0, -2)}/service/${name}`;

  describe('when one is registered', () => {
    it('puts a child device below the main device', async () => {
      const id = await newDevice();
      expect(await entities.find(id)).toBe(`{"@topic-id":"${id}","@parent":"device/main//","@type":"child-device"}`);
    });

    it('puts a service below the device in its topic id', async () => {
      const device = await newDevice();
      await entities.register(serviceOf(device));
      expect(await entities.find(serviceOf(device))).toContain(`"@parent":"${device}"`);
    });

    it('puts a service of a custom topic scheme below the main device', async () => {
      await entities.register('factory/hall1/oven/', { type: 'service' });
      expect(await entities.find('factory/hall1/oven/')).toContain('"@parent":"device/main//"');
    });

    it.each([
      [
        'a topic id that is taken',
        'child-device',
        'device/main//',
        'conflict: An entity with topic id: device/taken// is already registered',
      ],
      [
        'a second main device',
        'device',
        undefined,
        'invalid-request: The main device was already registered at topic device/main//',
      ],
      [
        'an unknown parent',
        'child-device',
        'device/nobody//',
        'invalid-request: The specified parent "device/nobody//" does not exist in the entity store',
      ],
      [
        'itself as parent',
        'child-device',
        'device/refused//',
        "invalid-request: Entity: 'device/refused//' can not be its own parent",
      ],
    ] as const)('refuses %s', async (_case, type, parent, refusal) => {
      const isTaken = refusal.startsWith('conflict');
      const id = isTaken ? 'device/taken//' : 'device/refused//';
      if (isTaken) await entities.register(id);
      expect(await refusalOf(entities.register(id, { type, ...(parent === undefined ? {} : { parent }) }))).toBe(
        refusal,
      );
    });

    it('refuses a service as parent', async () => {
      const device = await newDevice();
      await entities.register(serviceOf(device));
      expect(await refusalOf(entities.register('device/below//', { parent: serviceOf(device) }))).toBe(
        `invalid-request: Entity: '${serviceOf(device)}' can not be a parent of 'device/below//' because it is a service. Only devices can be parents`,
      );
    });

    it('takes its other fields as its twin', async () => {
      await entities.register('device/twin//', { twin: { type: 'RPi', name: 'x', gone: null } });
      expect(JSON.stringify(await entities.twin('device/twin//'))).toBe('{"name":"x","type":"RPi"}');
    });
  });

  describe('when one is changed', () => {
    it('moves it with all that is below it', async () => {
      const [from, to] = [await newDevice(), await newDevice()];
      const moved = await newDevice(from);
      await entities.register(serviceOf(moved));
      await entities.update(moved, { parent: to });
      expect(await entities.list({ root: to })).toEqual([to, moved, serviceOf(moved)]);
      expect(await entities.list({ root: from })).toEqual([from]);
    });

    it('refuses a parent that is below it', async () => {
      const above = await newDevice();
      const below = await newDevice(await newDevice(above));
      expect(await refusalOf(entities.update(above, { parent: below }))).toBe(
        `invalid-request: Entity: '${below}' can not be a parent of '${above}' because '${below}' is a descendent of '${above}'`,
      );
    });

    it.each([
      ['device/main//', { parent: 'device/main//' }, 'invalid-request: The parent of main device can not be updated'],
      [
        'device/nobody//',
        { parent: 'device/main//' },
        'not-found: The specified entity: device/nobody// does not exist in the entity store',
      ],
      [
        'device/main//',
        { health: 'device/nobody//' },
        'invalid-request: The specified health endpoint: device/nobody// does not exist in the entity store',
      ],
      [
        'device/main//',
        { health: 'device/main//' },
        "invalid-request: Entity: 'device/main//' can not be a health endpoint of 'device/main//' because it is not a service. Only services can be health endpoints",
      ],
    ])('refuses %s with %j', async (id, change, refusal) => {
      expect(await refusalOf(entities.update(id, change))).toBe(refusal);
    });

    it('does not let it be without a parent', async () => {
      const id = await newDevice();
      expect(await refusalOf(entities.update(id, { parent: null }))).toBe(
        `invalid-request: Entity: '${id}' can not be without a parent`,
      );
    });

    it('lets it be deeper than 16 levels neither by registration nor by a move', async () => {
      let last = 'device/main//';
      for (let depth = 1; depth <= entityLimits.depth; depth += 1) last = await newDevice(last);
      const tooDeep = /more than 16 levels below the main device/;
      expect(await refusalOf(newDevice(last))).toMatch(tooDeep);
      const other = await newDevice();
      expect(await refusalOf(entities.update(other, { parent: last }))).toMatch(tooDeep);
    });
  });

  describe('when one is removed', () => {
    it('removes all below it, the lowest first', async () => {
      const device = await newDevice();
      const below = await newDevice(device);
      await entities.register(serviceOf(below));
      expect(await entities.remove(device)).toEqual([serviceOf(below), below, device]);
      expect(await entities.find(serviceOf(below))).toBeUndefined();
    });

    it('forgets its twin, so that a new one of its name has none', async () => {
      const device = await newDevice();
      await entities.writeTwin(device, { colour: 'red' });
      await entities.remove(device);
      await entities.register(device);
      expect(await entities.twin(device)).toEqual({});
    });

    it('says nothing if there is none', async () => {
      expect(await entities.remove('device/nobody//')).toEqual([]);
    });

    it('keeps the main device', async () => {
      expect(await refusalOf(entities.remove('device/main//'))).toBe(
        'forbidden: The main device device/main// can not be removed',
      );
    });
  });

  describe('when they are listed', () => {
    it('shows those above before those below, and filters', async () => {
      const device = await newDevice();
      await entities.register(serviceOf(device, 'b'));
      await entities.register(serviceOf(device, 'a'));
      const below = await newDevice(device);
      await entities.register(serviceOf(below));
      const children = [below, serviceOf(device, 'a'), serviceOf(device, 'b')].sort();
      expect(await entities.list({ parent: device })).toEqual(children);
      expect(await entities.list({ root: device })).toEqual([device, ...children, serviceOf(below)]);
      expect(await entities.list({ root: device, type: 'child-device' })).toEqual([device, below]);
      expect((await entities.list())[0]).toBe('device/main//');
    });

    it('shows none below one that is unknown', async () => {
      expect(await entities.list({ root: 'device/nobody//' })).toEqual([]);
      expect(await entities.list({ parent: 'device/nobody//' })).toEqual([]);
    });
  });

  describe('their twins', () => {
    it('replace the whole, or change one fragment', async () => {
      const id = await newDevice();
      await entities.writeTwin(id, { a: 1, b: { d: 1, c: 2 } }, { isWhole: true });
      await entities.writeTwin(id, { a: null, e: 3 });
      expect(JSON.stringify(await entities.twin(id))).toBe('{"b":{"c":2,"d":1},"e":3}');
      await entities.writeTwin(id, { f: 1 }, { isWhole: true });
      expect(await entities.twin(id)).toEqual({ f: 1 });
    });

    it.each(['', '@id', 'a/b', 'a#', '+'])('have no fragment called %j', async (key) => {
      expect(await refusalOf(entities.writeTwin('device/main//', { [key]: 1 }))).toBe(
        `invalid-request: Invalid twin key: '${key}'. Keys that are empty, containing '/' or starting with '@' are not allowed`,
      );
    });

    it('may have a fragment with the name of a part of JavaScript', async () => {
      const id = await newDevice();
      const hostile = Object.fromEntries([
        ['__proto__', { polluted: true }],
        ['constructor', 1],
      ]);
      await entities.writeTwin(id, hostile);
      expect(JSON.stringify(await entities.twin(id))).toBe('{"__proto__":{"polluted":true},"constructor":1}');
    });

    it('of one device do not take the room of others', async () => {
      const device = await newDevice();
      const large = 'x'.repeat(1_000_000);
      for (const name of ['a', 'b', 'c', 'd']) {
        await entities.register(serviceOf(device, name));
        await entities.writeTwin(serviceOf(device, name), { large });
      }
      expect(await refusalOf(entities.writeTwin(device, { large }))).toMatch(/^storage-full: /);
      const other = await newDevice();
      await entities.writeTwin(other, { large });
      // What is removed gives its room back.
      await entities.remove(serviceOf(device, 'a'));
      await entities.writeTwin(device, { large });
    });
  });

  describe('that a device asks to change', () => {
    it('may be itself and what is below it', async () => {
      await entities.register('device/own//', { by: 'own' });
      await entities.register('device/own/service/app', { by: 'own' });
      await entities.register('device/sensor//', { parent: 'device/own//' });
      await entities.writeTwin('device/sensor//', { x: 1 }, { by: 'own' });
      await entities.update('device/own//', { health: 'device/own/service/app' }, 'own');
      expect(await entities.remove('device/sensor//', 'own')).toEqual(['device/sensor//']);
    });

    it.each(['device/main//', 'device/main/service/app', 'device/theirs//', 'factory/x//'])('is not %s', async (id) => {
      const type = id.includes('/service/') ? 'service' : 'child-device';
      const refusal = `forbidden: evil may change device/evil and what is below it, but not ${id}.`;
      if (id !== 'device/main//') expect(await refusalOf(entities.register(id, { type, by: 'evil' }))).toBe(refusal);
      if ((await entities.find(id)) === undefined) await entities.register(id, { type });
      expect(await refusalOf(entities.writeTwin(id, { x: 1 }, { by: 'evil' }))).toBe(refusal);
      expect(await refusalOf(entities.update(id, { health: null }, 'evil'))).toBe(refusal);
      expect(await refusalOf(entities.remove(id, 'evil'))).toMatch(/^forbidden: /);
    });

    it('does not go below a device that is not its own', async () => {
      const theirs = await newDevice();
      const refusal = `forbidden: mover may put an entity below the main device or below itself, not ${theirs}.`;
      expect(await refusalOf(entities.register('device/mover//', { parent: theirs, by: 'mover' }))).toBe(refusal);
      await entities.register('device/mover//', { by: 'mover' });
      expect(await refusalOf(entities.update('device/mover//', { parent: theirs }, 'mover'))).toBe(refusal);
    });

    it('is not the main device, whatever the device is called', async () => {
      expect(await refusalOf(entities.writeTwin('device/main//', { x: 1 }, { by: 'main' }))).toMatch(/^forbidden: /);
    });

    it('are no more than 200, and others are not kept out', async () => {
      await entities.register('device/greedy//');
      const services = Array.from({ length: 199 }, (_, index) => `device/greedy/service/${index}`);
      for (const id of services) await entities.register(id, { by: 'greedy' });
      const refusal = await refusalOf(entities.register('device/greedy/service/more', { by: 'greedy' }));
      expect(refusal).toMatch(/^storage-full: device\/greedy has 200 entities/);
      await newDevice();
    });
  });

  it('survive a restart, and removed ones stay removed', async () => {
    const [kept, gone] = [await newDevice(), await newDevice()];
    await entities.writeTwin(kept, { colour: 'red' });
    await entities.remove(gone);
    await registry.restart();
    expect(await entities.find(kept)).toContain(kept);
    expect(await entities.twin(kept)).toEqual({ colour: 'red' });
    expect(await entities.find(gone)).toBeUndefined();
  });

  it('are counted right after everything is removed', async () => {
    const ids = await entities.list({ parent: 'device/main//' });
    for (const id of ids) while ((await entities.find(id)) !== undefined) await entities.remove(id);
    const { entries } = await scopedStore(registry.store, 'entities/').list('usage');
    expect(entries).toEqual([]);
  });
});
