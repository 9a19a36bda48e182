import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configDirectories } from './config-directory.fixture.js';
import { resolveConfigDirectory } from './config-directory.js';

const makeDirectory = configDirectories(onTestFinished);
const missing = '/nonexistent/tedge';

describe('configuration directory', () => {
  it('is what --config-dir says, before all else', async () => {
    const choice = {
      configDir: '/a',
      env: { TEDGE_CONFIG_DIR: '/b' },
      cwd: '/',
      systemDirectory: await makeDirectory(),
    };
    expect(await resolveConfigDirectory(choice)).toBe('/a');
  });

  it('is what TEDGE_CONFIG_DIR says when there is no --config-dir', async () => {
    const choice = { env: { TEDGE_CONFIG_DIR: '/b' }, cwd: '/', systemDirectory: await makeDirectory() };
    expect(await resolveConfigDirectory(choice)).toBe('/b');
  });

  it('ignores an empty TEDGE_CONFIG_DIR', async () => {
    const systemDirectory = await makeDirectory();
    expect(await resolveConfigDirectory({ env: { TEDGE_CONFIG_DIR: '' }, cwd: '/', systemDirectory })).toBe(
      systemDirectory,
    );
  });

  it('is .sallyport in the working directory when the system directory cannot be written', async () => {
    const choice = { env: {}, cwd: '/home/me', systemDirectory: missing };
    expect(await resolveConfigDirectory(choice)).toBe('/home/me/.sallyport');
  });

  it('is .sallyport when the system directory is a file', async () => {
    const systemDirectory = join(await makeDirectory(''), 'tedge.toml');
    expect(await resolveConfigDirectory({ env: {}, cwd: '/home/me', systemDirectory })).toBe('/home/me/.sallyport');
  });

  it.each([
    ['child', '/home/me/child'],
    ['../you', '/home/you'],
  ])('takes %s for a path below the working directory', async (configDir, path) => {
    expect(await resolveConfigDirectory({ configDir, env: {}, cwd: '/home/me', systemDirectory: missing })).toBe(path);
  });
});
