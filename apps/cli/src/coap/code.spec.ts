import { join } from 'node:path';
import { adminSocketPath } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { AdminServer } from '../fixtures/admin-server.fixture.js';
import { fakeSite } from '../fixtures/fake-site.fixture.js';

const uuid = 'b5a2a42e-b285-42f1-a36b-034c8fc8efd5';
const code = {
  deviceId: `uuid:${uuid}`,
  owner: 'alice',
  code: 'c0deC0dec0deC0dec0de',
  provider: 'site',
  expiresAt: '2026-06-01T12:10:00.000Z',
};

describe('coap code', () => {
  /** A site with a CoAP gateway that gives this code. */
  async function gatewaySite() {
    const opened = new AsyncDisposableStack();
    const site = opened.use(await fakeSite());
    const socket = adminSocketPath(join(site.directory, 'run'), 'coap-gateway', '/');
    const route = `POST /api/v1/devices/${encodeURIComponent(code.deviceId)}/authorization-codes`;
    const server = await AdminServer.listen(socket, { [route]: () => code });
    opened.defer(() => server.close());
    return { run: site.run, server, [Symbol.asyncDispose]: () => opened.disposeAsync() };
  }

  it('prints the code alone, so that a script can use it', async () => {
    await using site = await gatewaySite();
    const printed = await site.run(['coap', 'code', '--device', uuid, '--owner', 'alice']);
    expect(printed).toMatchObject({ exitCode: 0, stdout: `${code.code}\n`, stderr: '' });
    expect(site.server.seen).toMatchObject([{ body: { owner: 'alice' } }]);
  });

  it('tells a person what to do with it', async () => {
    await using site = await gatewaySite();
    const { stderr } = await site.run(['coap', 'code', '--device', `uuid:${uuid.toUpperCase()}`], {
      isTerminal: true,
      env: { TZ: 'UTC' },
    });
    expect(stderr).toContain(`With this code device uuid:${uuid} signs up until 2026-06-01 12:10:00+0000, once.`);
    expect(stderr).toContain('"authprovider": "site"');
    expect(site.server.seen).toMatchObject([{ body: { owner: 'site' } }]);
  });

  it('prints JSON for programs', async () => {
    await using site = await gatewaySite();
    expect(JSON.parse((await site.run(['coap', 'code', '--device', uuid, '--json'])).stdout)).toEqual(code);
  });

  it.each([
    ['no device', []],
    ['a name that is no UUID', ['--device', 'light1']],
  ])('is called wrongly with %s', async (_what, words) => {
    await using site = await gatewaySite();
    expect(await site.run(['coap', 'code', ...words])).toMatchObject({ exitCode: 2, stdout: '' });
  });

  it('takes no owner without a name', async () => {
    await using site = await gatewaySite();
    expect((await site.run(['coap', 'code', '--device', uuid, '--owner', ''])).exitCode).toBe(2);
    expect(site.server.seen).toEqual([]);
  });
});
