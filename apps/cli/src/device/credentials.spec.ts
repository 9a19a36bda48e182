import { describe, expect, it } from 'vitest';
import { fakeSite } from '../fixtures/fake-site.fixture.js';

const fingerprint = 'ab'.repeat(32);

describe('device accept', () => {
  it.each([fingerprint, 'AB:'.repeat(31).concat('AB')])(
    'names the certificate, as openssl may write it: %s',
    async (text) => {
      await using site = await fakeSite();
      const registry = site.admin['device-registry'];
      registry.routes.set('POST /v1/devices/pump-17/expected-certificate', () => undefined);

      const { stdout } = await site.run(['device', 'accept', 'pump-17', text, '--reason', 'repaired']);

      expect(stdout).toBe(`Device pump-17 may come with the certificate ${fingerprint}.\n`);
      expect(registry.seen).toMatchObject([{ body: { fingerprint, reason: 'repaired' } }]);
    },
  );

  it('takes nothing else for a fingerprint, and says how to get one', async () => {
    await using site = await fakeSite();
    const { stderr, exitCode } = await site.run(['device', 'accept', 'pump-17', 'abcd']);
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain('openssl x509 -in FILE -noout -fingerprint -sha256');
  });
});

describe('device reactivate', () => {
  it('takes the secret of a device back', async () => {
    await using site = await fakeSite();
    const registry = site.admin['device-registry'];
    registry.routes.set('DELETE /v1/devices/meter-1/secret', () => undefined);

    const { stdout } = await site.run(['device', 'reactivate', 'meter-1']);

    expect(stdout).toBe('Device meter-1 may activate again.\n');
    expect(registry.seen.map(({ route }) => route)).toEqual(['DELETE /v1/devices/meter-1/secret']);
  });
});
