import { AuditLog } from '@sallyport/audit';
import { ocfDeviceId } from '@sallyport/protocol';
import type { TestContext } from '@sallyport/runtime/testing';
import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GatewaySite } from '../../gateway-site.fixture.js';
import { DeviceOwners } from '../../sessions/device-owners.js';
import { refusalOf } from '../authorization.fixture.js';
import { GatewayAuthorization } from '../gateway-authorization.js';
import { CodesController } from './codes.controller.js';
import { SiteAuthority } from './site-authority.js';
import { lamp } from './site-provider.fixture.js';

const id = ocfDeviceId(lamp);

describe('a gateway without any other provider', () => {
  let opened: AsyncDisposableStack;
  let site: GatewaySite;
  let context: TestContext;
  let authorization: GatewayAuthorization;
  let codes: CodesController;
  let audit: AuditLog;

  beforeEach(async () => {
    opened = new AsyncDisposableStack();
    site = opened.use(await GatewaySite.open());
    context = site.context;
    const owners = new DeviceOwners(context);
    authorization = new GatewayAuthorization(context, new SiteAuthority(context, context.store, owners));
    audit = new AuditLog(context.store, context.clock);
    codes = new CodesController(context.store, context, audit);
    await owners.onModuleInit();
    await authorization.onModuleInit();
    opened.defer(() => authorization.beforeApplicationShutdown());
  });
  afterEach(() => opened.disposeAsync());

  const codeFor = (body: object = {}) => codes.create({ id }, body, 'admin:alice');

  it('gives tokens for codes of its administrators, and is ready at once', async () => {
    const { code, provider, owner } = await codeFor({ owner: 'alice' });
    const tokens = await authorization.exchange(provider, code);
    expect(tokens.access).toMatchObject({ owner, deviceIdClaim: lamp, deviceIdClaimName: 'device_id' });
    expect(await authorization.refresh(undefined, tokens.refreshToken)).toMatchObject({ access: { owner: 'alice' } });
    expect((await context.readiness.report()).faults['authorization']).toBeUndefined();
  });

  it('says when a code ends: ten minutes from now', async () => {
    const { expiresAt, owner } = await codeFor();
    expect(owner).toBe('site');
    expect(Math.abs(new Date(expiresAt).getTime() - Date.now() - 600_000)).toBeLessThan(5_000);
  });

  it('writes down who made a code for whom, and never the code', async () => {
    const { code } = await codeFor({ owner: 'bob' });
    const { rows } = await audit.page({});
    expect(rows).toMatchObject([
      { actor: 'admin:alice', action: 'authorization-code-created', subject: id, details: { owner: 'bob' } },
    ]);
    expect(JSON.stringify(rows)).not.toContain(code);
  });

  it.each(['pump-17', 'uuid:light'])('makes no code for "%s", which is no OCF device', async (name) => {
    await expect(codes.create({ id: name }, {}, 'admin:alice')).rejects.toThrow('is no OCF device');
  });

  it.each([
    ['gets another owner', 'bob'],
    ['has no owner any more', undefined],
  ])('ends the tokens of a device that %s', async (_what, owner) => {
    const { code } = await codeFor({ owner: 'alice' });
    const { accessToken, refreshToken } = await authorization.exchange('site', code);
    site.registry.owners.set(id, 'alice');
    // One from before the sign-up, which comes late.
    await site.announceOwner(id, undefined);
    await site.announceOwner(id, 'alice');
    expect((await authorization.verify(accessToken)).owner).toBe('alice');
    if (owner === undefined) site.registry.owners.delete(id);
    else site.registry.owners.set(id, owner);
    await site.announceOwner(id, owner);
    await waitFor(async () => (await refusalOf(authorization.verify(accessToken))).startsWith('4.01 '));
    expect(await refusalOf(authorization.refresh('site', refreshToken))).toMatch(/^4\.01 /);
  });
});
