import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closeTestContext, openTestContext } from '@sallyport/runtime/testing';
import { waitFor } from '@sallyport/testkit';
import { OidcProvider } from '@sallyport/testkit/oidc-provider';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { DeviceOwners } from '../sessions/device-owners.js';
import { refusalOf } from './authorization.fixture.js';
import { GatewayAuthorization } from './gateway-authorization.js';
import { SiteAuthority } from './site/site-authority.js';

async function openGateway() {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-authorization-'));
  const provider = await OidcProvider.start();
  const providersPath = join(folder, 'coap-providers.toml');
  await writeFile(join(folder, 'secret'), provider.client.secret);
  await writeFile(join(folder, 'sallyport.toml'), `coap.authorization.providers_path = "${providersPath}"\n`);
  const lines = [
    '[[provider]]',
    'name = "plant"',
    `issuer = "${provider.issuer}"`,
    `client_id = "${provider.client.id}"`,
    `client_secret_path = "${join(folder, 'secret')}"`,
    `redirect_url = "${provider.client.redirectUri}"`,
  ];
  await writeFile(providersPath, lines.join('\n'));
  const context = await openTestContext(folder, 'coap-gateway');
  const site = new SiteAuthority(context, context.store, new DeviceOwners(context));
  const authorization = new GatewayAuthorization(context, site);
  onTestFinished(async () => {
    await authorization.beforeApplicationShutdown();
    await closeTestContext(context);
    await provider.stop();
    await rm(folder, { recursive: true });
  });
  const fault = async () => (await context.readiness.report()).faults['authorization'];
  const rewrite = async (line: string) => {
    await appendFile(join(folder, 'sallyport.toml'), line);
    await context.reloadSettings();
  };
  const writeProviders = (text: string) => writeFile(providersPath, text);
  return { provider, authorization, fault, rewrite, writeProviders, providersText: lines.join('\n'), log: context.log };
}

describe('the authorization of the gateway', () => {
  it('takes codes of the providers in its settings', async () => {
    const { provider, authorization } = await openGateway();
    await authorization.onModuleInit();
    const tokens = await authorization.exchange('plant', await provider.codeFor('1'));
    expect(tokens.access.owner).toBe('1');
  });

  it('starts without its providers, and is ready when each has answered once', async () => {
    const { provider, authorization, fault } = await openGateway();
    provider.outage = 503;
    await authorization.onModuleInit();
    expect(await fault()).toBe('the providers plant have not answered yet');
    provider.outage = undefined;
    await waitFor(async () => (await fault()) === undefined, { deadlineMs: 10_000 });
  });

  it('follows the settings when they are read again', async () => {
    const { provider, authorization, rewrite } = await openGateway();
    await authorization.onModuleInit();
    const token = await provider.tokenFor({ deviceId: 'x' });
    expect((await authorization.verify(token)).deviceIdClaim).toBeUndefined();
    await rewrite('coap.authorization.device_id_claim = "deviceId"\n');
    expect((await authorization.verify(token)).deviceIdClaim).toBe('x');
    await rewrite('coap.tls.identity_properties_required = false\n');
    expect(await refusalOf(authorization.verify(token))).toMatch(/^5\.03 temporary error: the settings /);
  });

  it('follows the file of its providers, and keeps what it had while that cannot be used', async () => {
    const { provider, authorization, writeProviders, providersText, log } = await openGateway();
    const errors = vi.spyOn(log, 'error');
    await authorization.onModuleInit();
    await writeProviders(providersText.replace('"plant"', '"works"'));
    const isTaken = async () => {
      const tokens = authorization.exchange('works', await provider.codeFor('1'));
      return tokens.then(
        () => true,
        () => false,
      );
    };
    await waitFor(isTaken, { deadlineMs: 10_000 });
    await writeProviders('[[provider]]\nname = 1\n');
    await waitFor(() => errors.mock.calls.length > 0, { deadlineMs: 10_000 });
    expect(errors.mock.calls[0]?.[0]).toMatchObject({ reason: expect.stringContaining('coap-providers.toml, line 1') });
    expect(await isTaken()).toBe(true);
  });

  it('stays ready when a provider goes away later', async () => {
    const { provider, authorization, fault } = await openGateway();
    await authorization.onModuleInit();
    await waitFor(async () => (await fault()) === undefined, { deadlineMs: 10_000 });
    provider.outage = 503;
    expect(await fault()).toBeUndefined();
  });
});
