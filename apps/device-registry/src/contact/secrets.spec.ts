import {
  type ActivationRequest,
  activateDevice,
  activationRequest,
  authenticateDevice,
  authenticationRequest,
  type DeviceDescription,
} from '@sallyport/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ContactsUnderTest } from './contact.fixture.js';
import { DeviceSecrets } from './device-secrets.js';

const where = { connector: 'default', entrance: 'connector', remoteAddress: '192.0.2.7' };

describe('a device with a secret', () => {
  let contacts: ContactsUnderTest;
  beforeEach(async () => {
    contacts = await ContactsUnderTest.start();
    await contacts.change({ provisioning: { self: true, auth: 'token' } });
  });
  afterEach(() => contacts.stop());

  const ask = (identity: string | undefined, options: object = {}) => {
    const request: ActivationRequest = activationRequest.parse({
      ...where,
      ...(identity === undefined ? {} : { identity }),
      ...options,
    });
    return contacts.registry.ask(activateDevice, request);
  };
  const activate = async (identity?: string, options: object = {}) => {
    const decision = await ask(identity, options);
    return decision.outcome === 'activated' ? decision : { deviceId: undefined, token: '', ...decision };
  };
  const reason = async (identity?: string, options: object = {}) => {
    const decision = await ask(identity, options);
    return decision.outcome === 'refused' ? decision.reason : decision.outcome;
  };
  const login = async (credential: object, options: object = {}) => {
    const request = authenticationRequest.parse({ ...where, credential, ...options });
    const decision = await contacts.registry.ask(authenticateDevice, request);
    return decision.outcome === 'refused' ? decision.reason : `admitted as ${decision.deviceId}`;
  };
  const withToken = (token: string) => login({ kind: 'token', token });
  const withPassword = (identity: string, password: string) => login({ kind: 'password', identity, password });
  const send = (method: 'POST' | 'DELETE', path: string, payload?: object) =>
    contacts.registry.inject({ method, url: `/v1/devices/${path}`, ...(payload === undefined ? {} : { payload }) });

  it('gets a token of 40 letters and digits when it activates, and is admitted with it', async () => {
    const { deviceId, token } = await activate('meter-1');
    expect(deviceId).toBe('meter-1');
    expect(token).toMatch(/^[A-Za-z0-9]{40}$/);
    expect(await withToken(token)).toBe('admitted as meter-1');
    const shown: DeviceDescription = await contacts.registry.device('meter-1');
    expect(shown).toMatchObject({ authority: 'none', connector: 'default', credential: 'token', certificates: [] });
    expect(await contacts.typesOf('meter-1', 1)).toEqual(['provisioned']);
  });

  it('is turned away after a thousand new ones at once, where nobody set a rate', async () => {
    for (let first = 0; first < 1_000; first += 50) {
      const names = Array.from({ length: 50 }, (_, index) => `meter-${first + index}`);
      expect(new Set(await Promise.all(names.map((name) => reason(name))))).toEqual(new Set(['activated']));
    }
    expect(await reason('one-more')).toBe('too-many-new-devices');
    contacts.registry.clock.advance(1);
    expect(await reason('one-more')).toBe('activated');
  });

  it('gets its secret once', async () => {
    const { token } = await activate('meter-1');
    expect(await reason('meter-1')).toBe('already-activated');
    expect(await withToken(token)).toBe('admitted as meter-1');
  });

  it('of fifty activations at once gets one secret', async () => {
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => reason('meter-1')));
    expect(outcomes.filter((outcome) => outcome === 'activated')).toHaveLength(1);
    expect(new Set(outcomes)).toEqual(new Set(['activated', 'already-activated']));
  });

  it('gets another one after an administrator has taken the first one back', async () => {
    const first = await activate('meter-1');
    expect((await send('DELETE', 'meter-1/secret')).status).toBe(204);
    expect(await withToken(first.token)).toBe('credential-unknown');
    const second = await activate('meter-1');
    expect(await withToken(second.token)).toBe('admitted as meter-1');
    expect(await withToken(first.token)).toBe('credential-unknown');
    expect((await contacts.typesOf('meter-1', 1)).filter((type) => type === 'provisioned')).toHaveLength(1);
  });

  it('is stored without its secret', async () => {
    const { token } = await activate('meter-1');
    for await (const { key, value } of contacts.registry.store.listAll(''))
      expect(`${key} ${JSON.stringify(value)}`).not.toContain(token);
    expect(contacts.registry.logged.join()).not.toContain(token);
  });

  it('may have a password, which an administrator may choose', async () => {
    await contacts.change({ provisioning: { auth: 'password' } });
    const { token } = await activate('meter-1');
    expect(await withPassword('meter-1', token)).toBe('admitted as meter-1');
    expect(await withPassword('meter-1', `${token}x`)).toBe('credential-unknown');
    expect(await withPassword('meter-2', token)).toBe('credential-unknown');
    expect(await withToken(token)).toBe('credential-unknown');

    expect((await send('POST', 'meter-1/password', { password: 'too short' })).status).toBe(400);
    const password = 'correct-horse-battery-staple';
    expect((await send('POST', 'meter-1/password', { password })).status).toBe(204);
    expect(await withPassword('meter-1', token)).toBe('credential-unknown');
    expect(await withPassword('meter-1', password)).toBe('admitted as meter-1');
  });

  it('keeps its kind of credential when the connector changes its own', async () => {
    const { token } = await activate('meter-1');
    await contacts.change({ provisioning: { auth: 'certificate' } });
    expect(await withToken(token)).toBe('admitted as meter-1');
    expect(await reason('meter-2')).toBe('credential-mismatch');
  });

  it('never shares its name with a device that has a certificate', async () => {
    const ca = await contacts.clientCa();
    await activate('meter-1');
    expect(await contacts.arrive(ca, 'meter-1')).toBe('credential-mismatch');
    await contacts.change({ provisioning: { auth: 'certificate' } });
    await contacts.arrive(ca, 'pump-17');
    expect(await reason('pump-17')).toBe('credential-mismatch');
  });

  it.each(['lock', 'revoke', 'retire'] as const)(
    'is refused after "%s", and not told so without its secret',
    async (action) => {
      const { token } = await activate('meter-1');
      await contacts.registry.change('meter-1', action);
      const state = { lock: 'device-locked', revoke: 'device-revoked', retire: 'device-retired' }[action];
      expect(await withToken(token)).toBe(state);
      expect(await withToken('A'.repeat(40))).toBe('credential-unknown');
    },
  );

  it('is admitted at its own connector only', async () => {
    const { token } = await activate('meter-1');
    await contacts.registry.inject({ method: 'POST', url: '/v1/connectors', payload: { name: 'other' } });
    expect(await login({ kind: 'token', token }, { connector: 'other' })).toBe('credential-unknown');
    expect(await login({ kind: 'token', token }, { connector: 'nowhere' })).toBe('connector-unknown');
  });

  it('gets an identity from the registry when it has none and the connector says so', async () => {
    expect(await reason(undefined)).toBe('name-invalid');
    await contacts.change({ provisioning: { generateIdentity: true }, identity: { type: 'mac-48', casing: 'upper' } });
    const { deviceId, token } = await activate();
    expect(deviceId).toMatch(/^[0-9A-F][26AE](-[0-9A-F]{2}){5}$/);
    expect(await withToken(token)).toBe(`admitted as ${deviceId}`);
  });

  it.each(['', '../x', 'a b', 'a\u0000b', 'a+b', '#', `x${'y'.repeat(64)}`, '<img>', '=1+1', '.hidden'])(
    'is not registered under %j',
    async (identity) => {
      expect(await reason(identity)).toBe('name-invalid');
    },
  );

  it('is admission-unavailable, while more passwords come than can be checked', async () => {
    const secrets = new DeviceSecrets(contacts.registry.store);
    const checking = Array.from({ length: 600 }, () => secrets.isPassword(undefined, 'a password'));
    const reasons = (await Promise.allSettled(checking)).flatMap((each) => ('reason' in each ? [each.reason] : []));
    expect(reasons[0]).toMatchObject({ reason: 'admission-unavailable' });
  });

  it('is admitted with its token, however many wrong ones come from its network', async () => {
    const { token } = await activate('meter-1');
    for (let tries = 0; tries < 70; tries += 1) await withToken('A'.repeat(40));
    expect(await withToken(token)).toBe('admitted as meter-1');
  });

  it('is refused while too many wrong passwords come from its network, and admitted a minute later', async () => {
    await contacts.change({ provisioning: { auth: 'password' } });
    const { token } = await activate('meter-1');
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => withPassword('meter-1', 'A'.repeat(40))));
    expect(outcomes.filter((outcome) => outcome === 'credential-unknown').length).toBeLessThanOrEqual(60);
    // The others waited for their turn, or for too long: those cost nothing.
    while ((await withPassword('meter-1', 'A'.repeat(40))) !== 'too-many-attempts');
    expect(await withPassword('meter-1', token)).toBe('too-many-attempts');
    const elsewhere = { kind: 'password', identity: 'meter-1', password: token };
    expect(await login(elsewhere, { remoteAddress: '198.51.100.9' })).toBe('admitted as meter-1');
    contacts.registry.clock.advance(60);
    expect(await withPassword('meter-1', token)).toBe('admitted as meter-1');
  });
});
