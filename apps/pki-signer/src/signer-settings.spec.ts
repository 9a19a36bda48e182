import { loadSettings } from '@sallyport/config';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { signerSettings } from './signer-settings.js';

async function read(env: Record<string, string>) {
  await using directory = temporaryDirectory();
  const { settings } = await loadSettings({ configDir: directory.path, env, cwd: directory.path });
  return signerSettings(settings);
}

describe('settings of the signer', () => {
  it.each([
    ['TEDGE_PKI_PROFILE_DEVICE_VALIDITY', 'pki.profile.device.validity'],
    ['TEDGE_PKI_PROFILE_SERVICE_VALIDITY', 'pki.profile.service.validity'],
  ])('are refused when certificates would outlive the CA that issues them: %s', async (variable, key) => {
    await expect(read({ [variable]: '366d', TEDGE_PKI_ISSUING_VALIDITY: '365d' })).rejects.toThrow(
      `${key} is 31622400 s, longer than pki.issuing.validity, 31536000 s`,
    );
  });

  it('are fine when both live as long', async () => {
    const lifetimes = { TEDGE_PKI_PROFILE_DEVICE_VALIDITY: '30d', TEDGE_PKI_ISSUING_VALIDITY: '30d' };
    expect((await read(lifetimes)).deviceValiditySeconds).toBe(2_592_000);
  });
});
