import { publishEvent } from '@sallyport/mqtt';
import { deviceDeleted, ocfDeviceId, ocfUuid, pendingCommands } from '@sallyport/protocol';
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
  const path = `${site.pathOf()}/resources/light/1`;
  return {
    site,
    path,
    device: async (choice: Parameters<ResourceSite['device']>[0]) => opened.use(await site.device(choice)),
    pending: async (replica = 0) =>
      pendingCommands.parse((await site.admin('GET', `${site.pathOf()}/pending-commands`, { replica })).body).commands,
  };
}

describe.each([
  { store: 'SQLite', replicas: 1, asked: 0 },
  { store: 'SQLite', replicas: 2, asked: 1 },
  { store: 'Redis', replicas: 2, asked: 1 },
] as const)('a command for a device, with $replicas gateways on $store', ({ store, replicas, asked }) => {
  const replica = asked;

  it('reads, updates, creates and deletes over the own connection of the device', async () => {
    const { site, path, device } = await openSite({ store, replicas });
    const lights = await device({ resources: light() });
    await lights.publish();
    expect(await site.admin('GET', path, { replica })).toMatchObject({
      status: 200,
      body: { href: '/light/1', status: 'done', source: 'device', code: '2.05', content: { state: false } },
    });
    const update = await site.admin('PUT', path, { replica, body: { state: true } });
    expect(update.body).toMatchObject({ status: 'done', code: '2.04', content: { state: true } });
    const create = await site.admin('POST', path, { replica, body: { rt: ['oic.r.new'] } });
    expect(create.body).toMatchObject({ code: '2.01', content: { href: '/light/1/1' } });
    const remove = await site.admin('DELETE', path, { replica });
    expect(remove.body).toMatchObject({ code: '2.02' });
    expect(lights.asked).toEqual(
      expect.arrayContaining(['GET /light/1', 'POST /light/1', 'POST /light/1?if=oic.if.create', 'DELETE /light/1']),
    );
  });

  it('waits for a device that is away, and is carried out once when it signs in', async () => {
    const { site, path, device, pending } = await openSite({ store, replicas });
    const update = site.admin('PUT', `${path}?ttl=60`, { replica, body: { state: true } });
    await waitFor(async () => (await pending(replica)).length === 1, { what: 'the command' });
    expect(await pending()).toMatchObject([{ kind: 'update', href: '/light/1', state: 'waiting' }]);
    const lights = await device({ resources: light() });
    expect((await update).body).toMatchObject({ status: 'done', code: '2.04' });
    expect(lights.asked.filter((each) => each.startsWith('POST'))).toEqual(['POST /light/1']);
    expect(await pending()).toEqual([]);
  });
});

describe('a command for a device', () => {
  it('asks for the interface that is given', async () => {
    const { site, path, device } = await openSite();
    const lights = await device({ resources: light() });
    await site.admin('GET', `${path}?resourceInterface=oic.if.baseline`);
    expect(lights.asked).toContain('GET /light/1?if=oic.if.baseline');
  });

  it('is given up when the device does not come in time', async () => {
    const { site, path, pending } = await openSite();
    expect(await site.admin('PUT', `${path}?ttl=1`, { body: {} })).toMatchObject({
      status: 503,
      body: { detail: 'The device did not come for the command in time. Give it longer with "ttl".' },
    });
    expect(await pending()).toEqual([]);
  });

  it('can be cancelled while it waits, and is then not carried out', async () => {
    const { site, path, device, pending } = await openSite();
    const update = site.admin('PUT', `${path}?ttl=0`, { body: { state: true } });
    const [command] = await waitFor(async () => {
      const commands = await pending();
      return commands.length === 1 ? commands : undefined;
    });
    expect(command).not.toHaveProperty('validUntil');
    const cancelled = await site.admin('DELETE', `${site.pathOf()}/pending-commands/${command?.id}`);
    expect(cancelled.status).toBe(204);
    expect((await update).status).toBe(409);
    const lights = await device({ resources: light() });
    await lights.publish();
    await waitFor(() => lights.isObserved('/light/1'), { what: 'the device to be served' });
    expect(lights.asked.filter((each) => each.startsWith('POST'))).toEqual([]);
    expect((await site.admin('DELETE', `${site.pathOf()}/pending-commands/${command?.id}`)).status).toBe(404);
  });

  it.each([
    ['4.00', 400],
    ['4.01', 403],
    ['4.03', 403],
    ['4.04', 404],
    ['4.05', 405],
    ['5.00', 502],
    ['5.03', 503],
  ] as const)('that the device refuses with %s is answered with %i', async (code, status) => {
    const { site, path, device } = await openSite();
    await device({ unusual: () => ({ code, payload: Buffer.from('because\u001b[2J') }) });
    const answer = await site.admin('GET', path);
    expect(answer).toMatchObject({ status, body: { detail: expect.stringContaining(`${code} to retrieve /light/1`) } });
    expect(JSON.stringify(answer.body)).toContain('because');
    expect(JSON.stringify(answer.body)).not.toContain('\\u001b[2J');
  });

  it('takes a resource from the list that the device does not have', async () => {
    const { site, path, device } = await openSite();
    const lights = await device({ resources: light() });
    await lights.publish();
    lights.resources.clear();
    await site.admin('GET', path);
    const list = async () => (await site.admin('GET', `${site.pathOf()}/resources`)).body;
    await waitFor(async () => JSON.stringify(await list()).includes('"resources":[]'), { what: 'the link to go' });
  });

  it('says that nobody knows what came of it when the connection ends before the answer', async () => {
    const { site, path, device } = await openSite();
    const never = Promise.withResolvers<undefined>();
    const lights = await device({ unusual: ({ method }) => (method === 'POST' ? never.promise : undefined) });
    const update = site.admin('PUT', path, { body: {} });
    await waitFor(() => lights.asked.includes('POST /light/1'), { what: 'the command' });
    await lights[Symbol.asyncDispose]();
    const answer = await update;
    expect(answer.status).toBe(503);
    expect(JSON.stringify(answer.body)).toContain('may have got the command or not');
  });

  it('is not even sent for the state of a device at plgd', async () => {
    const { site, device } = await openSite();
    const lights = await device({});
    const path = `${site.pathOf()}/resources/plgd/s`;
    expect((await site.admin('GET', path)).body).toMatchObject({ code: '2.05' });
    expect((await site.admin('PUT', path, { body: {} })).status).toBe(405);
    expect((await site.admin('DELETE', path)).status).toBe(403);
    expect(lights.asked.some((asked) => asked.includes('/plgd/s'))).toBe(false);
  });

  it('is in the audit log when it changes something, without the values', async () => {
    const { site, path, device } = await openSite();
    await device({ resources: light() });
    await site.admin('GET', path);
    await site.admin('PUT', path, { body: { state: 'secret' } });
    const { body } = await site.admin('GET', '/v1/audit');
    expect(body).toMatchObject({
      rows: [{ action: 'resource-update', subject: `uuid:${lamp}`, details: { href: '/light/1' } }],
    });
    expect(JSON.stringify(body)).not.toContain('secret');
  });

  it('is refused when a hundred wait for the device', async () => {
    const { site, path, pending } = await openSite();
    // So long that none is over before the last has come, however slow the machine is.
    const lasting = `${path}?ttl=600`;
    const waiting = Array.from({ length: 100 }, () => site.admin('PUT', lasting, { body: {} }));
    await waitFor(async () => (await pending()).length === 100, { what: 'a hundred commands', deadlineMs: 60_000 });
    expect((await site.admin('PUT', lasting, { body: {} })).status).toBe(429);
    const cancel = ({ id }: { readonly id: string }) => site.admin('DELETE', `${site.pathOf()}/pending-commands/${id}`);
    await Promise.all((await pending()).map(cancel));
    await Promise.all(waiting);
  });

  it('is refused when it is larger than 64 KiB', async () => {
    const { site, path } = await openSite();
    expect((await site.admin('PUT', path, { body: { text: 'x'.repeat(65 * 1024) } })).status).toBe(413);
  });

  it.each([
    ['a name that is no OCF device', 'pump-17/resources/light/1', 404],
    ['no href', `uuid:${lamp}/resources/`, 400],
    ['an href that leaves its place', `uuid:${lamp}/resources/a%2F..%2Fb`, 400],
    ['an href with a question mark', `uuid:${lamp}/resources/a%3Fb`, 400],
  ])('is refused with %s', async (_, path, status) => {
    const { site } = await openSite();
    expect((await site.admin('GET', `/api/v1/devices/${path}`)).status).toBe(status);
  });
});

describe('the value that is kept of a resource', () => {
  it('is read without asking the device, also while it is away', async () => {
    const { site, path, device } = await openSite();
    const lights = await device({ resources: light() });
    await lights.publish();
    const kept = () => site.admin('GET', `${path}?twin=true`);
    await waitFor(async () => (await kept()).status === 200, { what: 'the value' });
    await lights[Symbol.asyncDispose]();
    expect((await kept()).body).toMatchObject({ source: 'twin', content: { state: false } });
  });

  it('is not there for a resource that nobody has published', async () => {
    const { site, path } = await openSite();
    expect((await site.admin('GET', `${path}?twin=true`)).status).toBe(404);
  });
});

describe('the sign-off of a device', () => {
  it('lets a command on its way get its answer first, and takes everything that is kept with it', async () => {
    const { site, path, device } = await openSite();
    const answered = Promise.withResolvers<undefined>();
    const lights = await device({
      resources: light(),
      unusual: ({ method }) => (method === 'POST' ? answered.promise : undefined),
    });
    await lights.publish();
    const kept = () => site.admin('GET', `${path}?twin=true`);
    await waitFor(async () => (await kept()).status === 200, { what: 'the value' });
    const update = site.admin('PUT', path, { body: { state: true } });
    await waitFor(() => lights.asked.includes('POST /light/1'), { what: 'the command' });
    const off = lights.ask('DELETE', '/oic/sec/account');
    answered.resolve(undefined);
    expect((await update).body).toMatchObject({ code: '2.04' });
    expect((await off).code).toBe('2.02');
    expect((await kept()).status).toBe(404);
    expect((await site.admin('GET', `${site.pathOf()}/resources`)).body).toMatchObject({ resources: [] });
  });
});

describe('a device that is deleted', () => {
  it('leaves no link, no value and no command to the next one with its name', async () => {
    const { site, path, device, pending } = await openSite();
    const lights = await device({ resources: light() });
    await lights.publish();
    const kept = () => site.admin('GET', `${path}?twin=true`);
    await waitFor(async () => (await kept()).status === 200, { what: 'the value' });
    await lights[Symbol.asyncDispose]();
    await waitFor(() => site.events.some(({ type }) => type === 'disconnect'), { what: 'the device offline' });
    const update = site.admin('PUT', `${path}?ttl=0`, { body: { state: true } });
    await waitFor(async () => (await pending()).length === 1, { what: 'the command' });
    const deleted = { deviceId: ocfDeviceId(ocfUuid.parse(lamp)), deletedAt: new Date().toISOString() };
    await publishEvent(site.mqtt, deviceDeleted, deleted);
    expect((await update).status).toBe(409);
    await waitFor(async () => (await site.store.list('coap-gateway/links/')).entries.length === 0);
    await waitFor(async () => (await kept()).status === 404);
    expect(await pending()).toEqual([]);
    const next = await device({ resources: light(), unusual: () => ({ code: '5.00' }) });
    await next.publish();
    const list = async () => JSON.stringify((await site.admin('GET', `${site.pathOf()}/resources`)).body);
    await waitFor(async () => (await list()).includes('/light/1') && !(await list()).includes('content'));
  });
});

describe('two connections of one device at two gateways', () => {
  it('carry a command out once, and the older one does not answer for the newer', async () => {
    const { site, path, device } = await openSite({ replicas: 2 });
    const never = Promise.withResolvers<undefined>();
    const older = await device({ unusual: ({ method }) => (method === 'POST' ? never.promise : undefined) });
    const update = site.admin('PUT', path, { body: { state: true } });
    await waitFor(() => older.asked.includes('POST /light/1'), { what: 'the command' });
    const newer = await device({ replica: 1, resources: light() });
    expect((await update).status).toBe(503);
    expect((await site.admin('GET', path)).body).toMatchObject({ content: { state: false } });
    expect([...older.asked, ...newer.asked].filter((asked) => asked.startsWith('POST'))).toEqual(['POST /light/1']);
  });
});

describe('the metrics', () => {
  it('count commands by what came of them, and values', async () => {
    const { site, path, device } = await openSite();
    const lights = await device({ resources: light() });
    await lights.publish();
    await waitFor(async () => (await site.admin('GET', `${path}?twin=true`)).status === 200, { what: 'the value' });
    await site.admin('PUT', path, { body: { state: true } });
    await site.admin('GET', `${site.pathOf()}/resources/nothing`);
    expect(await site.metrics()).toEqual(
      expect.arrayContaining([
        'sallyport_coap_commands_total{kind="update",outcome="done"} 1',
        'sallyport_coap_commands_total{kind="retrieve",outcome="refused"} 1',
        expect.stringMatching(/^sallyport_coap_values_total [12]$/),
      ]),
    );
  });
});
