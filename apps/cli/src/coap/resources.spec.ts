import { join } from 'node:path';
import { adminSocketPath, Problem } from '@sallyport/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AdminServer, type Route } from '../fixtures/admin-server.fixture.js';
import { description } from '../fixtures/device-answers.fixture.js';
import { fakeSite } from '../fixtures/fake-site.fixture.js';

const lamp = 'b5a2a42e-b285-42f1-a36b-034c8fc8efd5';
const device = `/api/v1/devices/uuid%3A${lamp}`;
const light = `${device}/resources/light/1`;
const at = '2026-06-01T12:00:00.000000Z';
const done = { href: '/light/1', status: 'done', source: 'device', at: '2026-06-01T12:00:00Z', code: '2.05' };
const link = { href: '/light/1', ins: 1, rt: ['oic.r.switch'], if: [], bm: 3 };
const id = '60c6ed47-bb11-45e8-8a4c-f3ca1a4a1b42';

let opened: AsyncDisposableStack;
beforeEach(() => {
  opened = new AsyncDisposableStack();
});
afterEach(() => opened.disposeAsync());

/** A site with a CoAP gateway that answers so. */
async function gatewaySite(routes: Readonly<Record<string, Route>>) {
  const site = opened.use(await fakeSite());
  const socket = adminSocketPath(join(site.directory, 'run'), 'coap-gateway', '/');
  const server = opened.adopt(await AdminServer.listen(socket, routes), (each) => each.close());
  return { run: (...words: string[]) => site.run(['coap', ...words]), seen: server.seen };
}

describe('coap resources', () => {
  it('lists what a device has published, with the last values', async () => {
    const other = { ...link, href: '/light/2' };
    const { run } = await gatewaySite({
      [`GET ${device}/resources`]: () => ({
        sync: 'in-sync',
        resources: [{ ...link, at, content: { state: true } }, other],
      }),
    });
    expect((await run('resources', lamp)).stdout.split('\n')).toEqual([
      'RESOURCE  TYPES         VALUE           AT',
      `/light/1  oic.r.switch  {"state":true}  ${at}`,
      '/light/2  oic.r.switch  -               -',
      '',
      'The values are those of the device now.',
      '',
    ]);
  });

  it('says when there is none', async () => {
    const { run } = await gatewaySite({
      [`GET ${device}/resources`]: () => ({ sync: 'out-of-sync', resources: [] }),
    });
    expect((await run('resources', `uuid:${lamp.toUpperCase()}`)).stdout).toBe(
      'The device has published no resource.\n',
    );
  });
});

describe('device show', () => {
  it('shows the resources of a device of OCF', async () => {
    const site = opened.use(await fakeSite());
    const socket = adminSocketPath(join(site.directory, 'run'), 'coap-gateway', '/');
    const list = { sync: 'in-sync', resources: [{ ...link, at, content: { state: true } }] };
    opened.adopt(await AdminServer.listen(socket, { [`GET ${device}/resources`]: () => list }), (each) => each.close());
    const { routes } = site.admin['device-registry'];
    routes.set(`GET /v1/devices/uuid%3A${lamp}`, () => ({ ...description, deviceId: `uuid:${lamp}` }));
    const { stdout } = await site.run(['device', 'show', `uuid:${lamp}`]);
    expect(stdout).toContain(
      `Resources:\n  RESOURCE  TYPES         VALUE           AT\n  /light/1  oic.r.switch  {"state":true}`,
    );
  });
});

describe('coap get, set, create and delete', () => {
  it.each([
    [['get', lamp, '/light/1'], 'GET', '', undefined],
    [['get', lamp, '/light/1', '--twin'], 'GET', '?twin=true', undefined],
    [
      ['get', lamp, '/light/1', '--interface', 'oic.if.baseline'],
      'GET',
      '?resourceInterface=oic.if.baseline',
      undefined,
    ],
    [['set', lamp, '/light/1', '{"state":true}', '--ttl', '60'], 'PUT', '?ttl=60', { state: true }],
    [['create', lamp, '/light/1', '{"rt":["x"]}'], 'POST', '', { rt: ['x'] }],
    [['delete', lamp, '/light/1'], 'DELETE', '', undefined],
  ])('%j asks the gateway, and prints the value', async (words, method, query, body) => {
    const { run, seen } = await gatewaySite({ [`${method} ${light}`]: () => ({ ...done, content: { state: true } }) });
    expect((await run(...words)).stdout).toBe('{"state":true}\n');
    expect(seen).toEqual([{ route: `${method} ${light}${query}`, body }]);
  });

  it('say what waits when the device has not answered', async () => {
    const { run } = await gatewaySite({
      [`PUT ${light}`]: () => ({ ...done, code: undefined, status: 'pending', command: id }),
    });
    expect((await run('set', lamp, '/light/1', '{}', '--ttl', '0')).stdout).toBe(
      `The device has not answered yet. The command waits: sallyport coap commands ${lamp}\n`,
    );
  });

  it('fail as the gateway says', async () => {
    const { run } = await gatewaySite({
      [`GET ${light}`]: () => {
        throw new Problem('not-found', 'The device answered 4.04 to retrieve /light/1.');
      },
    });
    const { exitCode, stderr } = await run('get', lamp, '/light/1');
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('4.04') });
  });

  it.each([
    ['get', 'pump-17', '/light/1'],
    ['get', lamp, 'light'],
    ['set', lamp, '/light/1', '{state'],
    ['get', lamp, '/light/1', '--ttl', 'soon'],
  ])('refuse %s %s %s before they ask', async (...words) => {
    const { run, seen } = await gatewaySite({});
    expect((await run(...words)).exitCode).toBeGreaterThan(0);
    expect(seen).toEqual([]);
  });
});

describe('coap commands', () => {
  it('lists what waits for a device, and cancels one', async () => {
    const command = { id, kind: 'update', href: '/light/1', state: 'waiting', createdAt: '2026-06-01T12:00:00Z' };
    const { run, seen } = await gatewaySite({
      [`GET ${device}/pending-commands`]: () => ({ commands: [{ ...command, actor: 'local-admin:alice' }] }),
      [`DELETE ${device}/pending-commands/${id}`]: () => undefined,
    });
    expect((await run('commands', lamp)).stdout.split('\n')[1]).toBe(
      `${id}  update  /light/1  waiting  2026-06-01T12:00:00Z  for ever  local-admin:alice`,
    );
    expect((await run('commands', lamp, '--cancel', id)).stdout).toBe(`Command ${id} is cancelled.\n`);
    expect(seen.length).toBe(2);
  });

  it('says when nothing waits', async () => {
    const { run } = await gatewaySite({ [`GET ${device}/pending-commands`]: () => ({ commands: [] }) });
    expect((await run('commands', lamp)).stdout).toBe('No command waits for the device.\n');
  });
});
