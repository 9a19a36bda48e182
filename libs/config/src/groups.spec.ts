import { describe, expect, it } from 'vitest';
import { requireGroup, type TextKey } from './groups.js';
import { loadSettings } from './load-settings.js';

const keys: TextKey[] = ['http.cert_path', 'http.key_path'];

async function settingsWith(env: Record<string, string>) {
  return (await loadSettings({ configDir: '/nonexistent', env, cwd: '/' })).settings;
}

describe('settings that only work together', () => {
  it('are read in order when all are set', async () => {
    const settings = await settingsWith({ TEDGE_HTTP_KEY_PATH: '/b.key', TEDGE_HTTP_CERT_PATH: '/a.crt' });
    expect(requireGroup(settings, keys)).toEqual(['/a.crt', '/b.key']);
  });

  it('are absent when none is set', async () => {
    expect(requireGroup(await settingsWith({}), keys)).toBeUndefined();
  });

  it.each([
    [
      'TEDGE_HTTP_CERT_PATH',
      'http.cert_path is set, http.key_path is not set. Set http.key_path too, or unset the other.',
    ],
    [
      'TEDGE_HTTP_KEY_PATH',
      'http.cert_path is not set, http.key_path is set. Set http.cert_path too, or unset the other.',
    ],
  ])('are refused with a list of all of them when only %s is there', async (variable, states) => {
    const settings = await settingsWith({ [variable]: '/x' });
    expect(() => requireGroup(settings, keys)).toThrow(
      `http.cert_path and http.key_path only work together: ${states}`,
    );
  });
});
