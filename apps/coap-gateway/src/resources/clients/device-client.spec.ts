import type { CoapResponse, Observation } from '@sallyport/coap-wire';
import { publishEvent } from '@sallyport/mqtt';
import { deviceOwnerChanged, ocfDeviceId, ocfUuid } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeCbor } from '../../cbor/cbor.js';
import { answerOf, lamp } from '../../gateway-site.fixture.js';
import { ResourceSite } from '../../resource-site.fixture.js';
import type { TestDevice } from '../../test-device.fixture.js';

const panel = '00000000-0000-4000-8000-00000000000a';
const stranger = '00000000-0000-4000-8000-00000000000b';
const unknown = '00000000-0000-4000-8000-00000000000c';
const light = `/api/v1/devices/${lamp}/light/1`;

describe.each([1, 2])('a device that uses another one of its owner, with %i gateways', (replicas) => {
  let opened: AsyncDisposableStack;
  let site: ResourceSite;
  let lights: TestDevice;
  let client: TestDevice;

  beforeAll(async () => {
    opened = new AsyncDisposableStack();
    site = opened.use(await ResourceSite.open({ replicas, settings: ['coap.external_address = "hub.example:5684"'] }));
    lights = opened.use(
      await site.device({
        resources: {
          '/light/1': { value: { state: false }, rt: ['oic.r.switch.binary'] },
          '/gone': { value: { n: 1 } },
          '/other': { value: { n: 1 } },
        },
      }),
    );
    client = opened.use(await site.device({ uuid: panel, replica: replicas - 1 }));
    opened.use(await site.device({ uuid: stranger, owner: 'somebody else', resources: { '/own': { value: {} } } }));
    await lights.publish();
    await waitFor(() => ['/light/1', '/gone', '/other'].every((href) => lights.isObserved(href)));
    await waitFor(async () => (await client.ask('GET', `/api/v1/devices/${lamp}/other`)).code === '2.05');
  });
  afterAll(() => opened.disposeAsync());

  it.each([
    ['without a filter', [], ['/light/1', '/gone', '/other']],
    ['of a device', [`di=${lamp}`], ['/light/1', '/gone', '/other']],
    ['of a type', ['rt=oic.r.switch.binary', 'rt=oic.r.none'], ['/light/1']],
    ['of a device and a type', [`di=${lamp}`, 'rt=oic.r.switch.binary'], ['/light/1']],
    ['of a device that nobody knows', [`di=${unknown}`], []],
    ['of a device of somebody else', [`di=${stranger}`], []],
  ])('finds its resources %s', async (_, query, hrefs) => {
    const { code, body } = await client.ask('GET', '/oic/res', { query });
    expect(code).toBe('2.05');
    expect(body).toEqual(
      hrefs.map((href) =>
        expect.objectContaining({
          href: `/api/v1/devices/${lamp}${href}`,
          anchor: `ocf://${lamp}`,
          eps: [{ ep: 'coaps+tcp://hub.example:5684', pri: 1 }],
        }),
      ),
    );
  });

  it('finds them grouped by device when it asks for application/cbor, and as JSON', async () => {
    const query = ['rt=oic.r.switch.binary'];
    expect((await client.ask('GET', '/oic/res', { query, accept: 60 })).body).toMatchObject([
      { di: lamp, ttl: -1, lt: -1, links: [{ href: light }] },
    ]);
    const json = await client.endpoint.ask('/oic/res', { query, accept: 50 });
    expect(JSON.parse(json.payload?.toString() ?? '')).toMatchObject([{ href: light }]);
  });

  it.each([
    ['a path without a device', '/api/v1/devices/nobody/light/1', '4.00'],
    ['a path without a resource', `/api/v1/devices/${lamp}`, '4.00'],
    ['a device of somebody else', `/api/v1/devices/${stranger}/own`, '4.04'],
    ['a device that nobody knows', `/api/v1/devices/${unknown}/own`, '4.04'],
    ['a resource that is not published', `/api/v1/devices/${lamp}/nothing`, '4.04'],
    ['a path that is nothing', '/api/v2', '4.04'],
  ])('gets no answer for %s', async (_, path, code) => {
    expect((await client.ask('GET', path)).code).toBe(code);
  });

  it('reads the value that is kept, and the device itself with an interface', async () => {
    const before = lights.asked.length;
    expect(await client.ask('GET', light)).toMatchObject({ code: '2.05', body: { state: false } });
    expect(lights.asked.slice(before)).toEqual([]);
    expect(await client.ask('GET', light, { query: ['if=oic.if.baseline'] })).toMatchObject({
      code: '2.05',
      body: { state: false },
    });
    expect(lights.asked.slice(before)).toEqual(['GET /light/1?if=oic.if.baseline']);
  });

  it.each([[[]], [['if=oic.if.baseline']]])('gets 2.03 for the value that it has already, with %o', async (query) => {
    const first = await client.endpoint.ask(light, { query });
    const etags = first.etag === undefined ? [] : [first.etag];
    expect(await client.ask('GET', light, { query, etags })).toMatchObject({ code: '2.03', body: undefined });
  });

  it.each([
    ['POST', `/api/v1/devices/${stranger}/own`, '4.03'],
    ['DELETE', `/api/v1/devices/${stranger}/own`, '4.03'],
    ['POST', `/api/v1/devices/${lamp}/nothing`, '4.04'],
    ['PUT', light, '4.04'],
  ] as const)('gets an error for %s %s', async (method, path, code) => {
    expect((await client.ask(method, path, { contentFormat: 10_000, payload: encodeCbor({}) })).code).toBe(code);
  });

  it('changes, creates and deletes resources of the other device', async () => {
    expect(await client.post(`/api/v1/devices/${lamp}/other`, { n: 2 })).toMatchObject({
      code: '2.04',
      body: { n: 2 },
    });
    const create = { query: ['if=oic.if.create'], contentFormat: 10_000, payload: encodeCbor({}) };
    expect((await client.ask('POST', `/api/v1/devices/${lamp}/other`, create)).code).toBe('2.01');
    expect((await client.ask('DELETE', `/api/v1/devices/${lamp}/other`)).code).toBe('2.02');
  });

  it('observes a resource from its present value on, until it says that it is enough', async () => {
    const told: CoapResponse[] = [];
    const observation = await observe(light, told);
    expect(answerOf(observation.first).body).toEqual({ state: false });
    expect(observation.first.observe).toBe(3);
    lights.change('/light/1', { state: true });
    await waitFor(() => told.length === 1, { what: 'the notification' });
    expect(told.map((each) => [answerOf(each).body, each.observe])).toEqual([[{ state: true }, 4]]);
    await observation.cancel();
    lights.change('/light/1', { state: false });
    await waitFor(async () => JSON.stringify((await client.ask('GET', light)).body) === '{"state":false}');
    expect(told.length).toBe(1);
  });

  it.each([
    ['a device of somebody else', `/api/v1/devices/${stranger}/own`, '4.01'],
    ['a resource that is not published', `/api/v1/devices/${lamp}/nothing`, '4.04'],
  ])('observes no resource of %s', async (_, path, code) => {
    await expect(observe(path, [])).resolves.toMatchObject({ first: { code } });
  });

  it('is told when the resource that it observes is gone', async () => {
    const told: CoapResponse[] = [];
    await observe(`/api/v1/devices/${lamp}/gone`, told);
    lights.lose('/gone');
    await waitFor(() => told.length > 0, { what: 'the end' });
    expect(told.map(({ code }) => code)).toEqual(['5.03']);
  });

  it('is told nothing more when an owner has changed and the registry cannot say who it is', async () => {
    const told: CoapResponse[] = [];
    await observe(light, told);
    const name = ocfDeviceId(ocfUuid.parse(lamp));
    site.registry.isDown = true;
    try {
      await publishEvent(site.mqtt, deviceOwnerChanged, { deviceId: name, owner: '1' });
      await waitFor(() => told.length > 0, { what: 'the end' });
    } finally {
      site.registry.isDown = false;
    }
    expect(told.map(({ code }) => code)).toEqual(['5.03']);
  });

  it('is told when the device that it observes gets another owner', async () => {
    const told: CoapResponse[] = [];
    await observe(light, told);
    const name = ocfDeviceId(ocfUuid.parse(lamp));
    site.registry.owners.set(name, 'somebody else');
    await publishEvent(site.mqtt, deviceOwnerChanged, { deviceId: name, owner: 'somebody else' });
    await waitFor(() => told.length > 0, { what: 'the end' });
    expect(told.map(({ code }) => code)).toEqual(['5.03']);
    expect((await client.ask('GET', light)).code).toBe('4.04');
  });

  function observe(path: string, told: CoapResponse[]): Promise<Observation> {
    return client.endpoint.observe(
      { method: 'GET', path: path.split('/').slice(1) },
      { deadlineMs: 10_000, onNotification: (notification) => told.push(notification) },
    );
  }
});
