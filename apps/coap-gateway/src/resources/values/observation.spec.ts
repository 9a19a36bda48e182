import { CoapError } from '@sallyport/coap-wire';
import { resourceList } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lamp } from '../../gateway-site.fixture.js';
import { ResourceSite, type ResourceSiteOptions } from '../../resource-site.fixture.js';

const light = () => ({ '/light/1': { value: { state: false } } });

let opened: AsyncDisposableStack;
beforeEach(() => {
  opened = new AsyncDisposableStack();
});
afterEach(() => opened.disposeAsync());

async function openSite(options: ResourceSiteOptions = {}) {
  const site = opened.use(await ResourceSite.open(options));
  const list = async () => resourceList.parse((await site.admin('GET', `${site.pathOf()}/resources`)).body);
  return {
    site,
    list,
    contentOf: async (href: string) => (await list()).resources.find((each) => each.href === href)?.content,
    inSync: () => waitFor(async () => (await list()).sync === 'in-sync', { what: 'the twin in step' }),
    device: async (choice: Parameters<ResourceSite['device']>[0]) => opened.use(await site.device(choice)),
  };
}

describe('a device whose resources are observed one by one', () => {
  it('has its values kept from the moment it publishes, and each change of them', async () => {
    const { device, contentOf } = await openSite();
    const lights = await device({ resources: light() });
    await lights.publish();
    await waitFor(async () => (await contentOf('/light/1')) !== undefined, { what: 'the first value' });
    expect(await contentOf('/light/1')).toEqual({ state: false });
    lights.change('/light/1', { state: true });
    await waitFor(async () => JSON.stringify(await contentOf('/light/1')) === '{"state":true}', { what: 'the change' });
  });

  it('is asked once for each resource, also when it publishes twice and signs in again', async () => {
    const { device, list, inSync, site } = await openSite();
    const lights = await device({ resources: light() });
    await lights.publish();
    await lights.publish();
    const again = { di: lamp, uid: '1', accesstoken: site.provider.issue('token of 1'), login: true };
    for (let times = 0; times < 3; times += 1) await lights.post('/oic/sec/session', again);
    await waitFor(async () => (await list()).resources[0]?.content !== undefined, { what: 'the value' });
    await inSync();
    expect(lights.asked.filter((asked) => asked.includes('/light/1'))).toEqual(['GET /light/1 observe=0']);
  });

  it('is read once for what it does not let observe, and never asked for /plgd/s', async () => {
    const { device, contentOf } = await openSite();
    const lights = await device({
      resources: { '/fixed': { value: { n: 1 }, bm: 1 }, '/plgd/s': { value: {} }, '/last': { value: { n: 2 } } },
    });
    await lights.publish(['/fixed', '/plgd/s', '/last']);
    await waitFor(async () => (await contentOf('/last')) !== undefined, { what: 'the last value' });
    expect(await contentOf('/fixed')).toEqual({ n: 1 });
    expect(lights.asked.slice(1)).toEqual(['GET /fixed', 'GET /last observe=0']);
  });

  it('has a resource taken from the list when it says that it is gone', async () => {
    const { device, list } = await openSite();
    const lights = await device({ resources: { ...light(), '/light/2': { value: {} } } });
    await lights.publish(['/light/1', '/light/2', '/light/3']);
    await waitFor(async () => (await list()).resources.length === 2, { what: 'the one that never was to go' });
    await waitFor(() => lights.isObserved('/light/2'), { what: 'the observation' });
    lights.lose('/light/2');
    await waitFor(async () => (await list()).resources.length === 1, { what: 'the one that is lost to go' });
    expect((await list()).resources[0]?.href).toBe('/light/1');
  });

  it('is not observed any more for what it takes back, nor after its sign-out', async () => {
    const { device } = await openSite();
    const lights = await device({ resources: { ...light(), '/light/2': { value: {} } } });
    await lights.publish();
    await waitFor(() => lights.isObserved('/light/2'), { what: 'both observations' });
    await lights.ask('DELETE', '/oic/rd', { query: [`di=${lamp}`, 'ins=2049575488'] });
    await waitFor(() => !lights.isObserved('/light/2'), { what: 'the end of one observation' });
    expect(lights.isObserved('/light/1')).toBe(true);
    await lights.post('/oic/sec/session', { login: false });
    await waitFor(() => !lights.isObserved('/light/1'), { what: 'the end of the other observation' });
  });

  it('tells an event for each value that is new, and none when it comes back with the same', async () => {
    const { device, site, inSync } = await openSite();
    const lights = await device({ resources: light() });
    await lights.publish();
    const values = () => site.events.filter(({ type }) => type === 'data_in');
    await waitFor(() => values().length === 1, { what: 'the event' });
    await lights[Symbol.asyncDispose]();
    const again = await device({ resources: light() });
    await inSync();
    again.change('/light/1', { state: true });
    await waitFor(() => values().length >= 2, { what: 'the second event' });
    expect(values().map(({ device: name, protocol, payload }) => [name, protocol, payload])).toEqual([
      [`uuid:${lamp}`, 'coap', { values: { '/light/1': '{"state":false}' } }],
      [`uuid:${lamp}`, 'coap', { values: { '/light/1': '{"state":true}' } }],
    ]);
  });

  it.each([
    ['a byte string', { raw: Buffer.from([1, 2, 255]) }, { raw: { $bytes: 'AQL/' } }],
    ['more than is kept of one value', { text: 'x'.repeat(70_000) }, { $tooLarge: 70_011 }],
    ['an array', [1, 2.5, 'x', null], [1, 2.5, 'x', null]],
  ])('may tell %s', async (_, value, kept) => {
    const { device, contentOf } = await openSite();
    const lights = await device({ resources: { '/value': { value } } });
    await lights.publish();
    await waitFor(async () => (await contentOf('/value')) !== undefined, { what: 'the value' });
    expect(await contentOf('/value')).toEqual(kept);
  });

  it('keeps its other values when one resource answers nonsense', async () => {
    const { device, contentOf } = await openSite();
    const lights = await device({
      resources: { '/broken': { value: 0 }, ...light() },
      unusual: ({ path }) =>
        path.includes('broken')
          ? { code: '2.05', contentFormat: 10_000, payload: Buffer.from('ff00', 'hex') }
          : undefined,
    });
    await lights.publish();
    await waitFor(async () => (await contentOf('/light/1')) !== undefined, { what: 'the other value' });
    expect(await contentOf('/broken')).toBeUndefined();
    expect(lights.isObserved('/light/1')).toBe(true);
  });

  it('is in the log once, however much nonsense it sends', async () => {
    const { device, site, contentOf } = await openSite();
    const lights = await device({ resources: { '/broken': { value: 0 }, ...light() } });
    await lights.publish();
    await waitFor(() => lights.isObserved('/light/1'), { what: 'the observations' });
    for (let times = 0; times < 50; times += 1) lights.tell('/broken', Buffer.from('ff00', 'hex'));
    lights.change('/light/1', { state: true });
    await waitFor(async () => JSON.stringify(await contentOf('/light/1')) === '{"state":true}', { what: 'the change' });
    expect(site.logged.filter((line) => line.includes('could not be read')).length).toBe(1);
  });

  it('publishes as often as it likes while it is slow, and is asked once', async () => {
    const { device, contentOf } = await openSite();
    const slow = Promise.withResolvers<undefined>();
    const lights = await device({ resources: light(), unusual: () => slow.promise });
    for (let times = 0; times < 20; times += 1) {
      await lights.publish();
      await lights.ask('DELETE', '/oic/rd', { query: [`di=${lamp}`] });
    }
    await lights.publish();
    slow.resolve(undefined);
    await waitFor(async () => (await contentOf('/light/1')) !== undefined, { what: 'the value' });
    expect(lights.asked.filter((asked) => asked.includes('/light/1'))).toEqual(['GET /light/1 observe=0']);
  });

  it('is asked nothing while it publishes nothing', async () => {
    const { device, inSync } = await openSite();
    const lights = await device({ resources: light() });
    await inSync();
    await lights.ask('GET', '/oic/rd');
    expect(lights.asked).toEqual([]);
  });

  it('loses links that it does not have any more when it signs in again', async () => {
    const { device, list, inSync } = await openSite();
    const lights = await device({ resources: { ...light(), '/light/2': { value: {} } } });
    await lights.publish();
    await waitFor(async () => (await list()).resources.length === 2, { what: 'both links' });
    await lights[Symbol.asyncDispose]();
    await waitFor(async () => (await list()).sync === 'out-of-sync', { what: 'the device to be away' });
    await device({ resources: light() });
    await inSync();
    expect((await list()).resources.map(({ href }) => href)).toEqual(['/light/1']);
  });
});

describe('a device whose resources are observed as a batch', () => {
  it('is observed at /oic/res alone, and tells what is published later too', async () => {
    const { device, contentOf } = await openSite();
    const lights = await device({ resources: { ...light(), '/light/2': { value: { n: 2 } } }, isBatch: true });
    await lights.publish(['/light/1']);
    await waitFor(async () => (await contentOf('/light/1')) !== undefined, { what: 'the first value' });
    await lights.publish();
    await waitFor(async () => (await contentOf('/light/2')) !== undefined, { what: 'the values' });
    lights.change('/light/1', { state: true });
    await waitFor(async () => JSON.stringify(await contentOf('/light/1')) === '{"state":true}', { what: 'the change' });
    expect(lights.asked).toEqual([
      'GET /oic/res?if=oic.if.ll',
      'GET /oic/res?if=oic.if.b observe=0',
      'GET /oic/res?if=oic.if.b',
    ]);
  });

  it('is asked once for all that it published while it did not answer', async () => {
    const { device, contentOf } = await openSite();
    const answers = Promise.withResolvers<undefined>();
    const hrefs = Array.from({ length: 20 }, (_, index) => `/light/${index}`);
    const lights = await device({
      resources: Object.fromEntries(hrefs.map((href) => [href, { value: { n: href } }])),
      isBatch: true,
      unusual: ({ observe }) => (observe === 0 ? answers.promise : undefined),
    });
    for (const href of hrefs) await lights.publish([href]);
    answers.resolve(undefined);
    await waitFor(async () => (await contentOf('/light/19')) !== undefined, { what: 'the last value' });
    expect(lights.asked).toEqual([
      'GET /oic/res?if=oic.if.ll',
      'GET /oic/res?if=oic.if.b observe=0',
      'GET /oic/res?if=oic.if.b',
    ]);
  });

  it('is demanded by a setting: another device is disconnected after its sign-in', async () => {
    const { device } = await openSite({ settings: ['coap.requires_batch_observe = true'] });
    const lights = await device({ resources: light() });
    expect(await lights.endpoint.ended).toBe('released-by-peer');
  });

  it('is tried with a device that does not say what it has', async () => {
    const { device, contentOf } = await openSite();
    const lights = await device({
      resources: light(),
      isBatch: true,
      unusual: ({ query }) => {
        if (query.includes('if=oic.if.ll')) throw new CoapError('5.01', 'not here');
        return undefined;
      },
    });
    await lights.publish();
    await waitFor(async () => (await contentOf('/light/1')) !== undefined, { what: 'the value' });
    expect(lights.isObserved('/oic/res')).toBe(true);
  });
});
