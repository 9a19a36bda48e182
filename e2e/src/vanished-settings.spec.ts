import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { System, succeeded } from './system.js';

// The tests run in order: another program rewrites the settings while a secured site is stopped.
describe('a secured site whose settings vanished', () => {
  let system: System;

  beforeAll(async () => {
    system = await System.start();
    succeeded(await system.sallyport('secure', 'mutual'));
    await system.kill();
    const files = ['tedge.toml', 'sallyport.toml'].map((name) => join(system.configDirectory, name));
    await Promise.all(files.map((file) => rm(file)));
    await writeFile(join(system.configDirectory, 'tedge.toml'), '[device]\ntype = "rpi4"\n');
    await system.resume();
  });

  afterAll(() => system.stop());

  const curl = () => system.run('curl', ['-sS', '-o', '/dev/null', '-w', '%{http_code}', `http://${system.fileUrl}/x`]);

  it('opens no entrance to anybody', async () => {
    // curl: 7 is a refused connection.
    expect((await curl()).code).toBe(7);
    const { code } = await system.run('mosquitto_pub', ['-p', String(system.ports.mqtt), '-t', 'te/x', '-m', 'x']);
    expect(code).not.toBe(0);
  });

  it('says why: in its log, in the answer to readiness, and in the words of doctor', async () => {
    expect(system.log).toContain('"entrance stays shut"');
    expect((await system.sallyport('status')).stdout).toContain('agent            not ready: entrance http is shut');
    const { code, stdout } = await system.sallyport('doctor');
    expect(code).not.toBe(0);
    expect(stdout).toContain('not set now: http.cert_path, http.key_path, http.ca_path');
    expect(stdout).toMatch(/^ +mend it: .* secure mutual$/m);
  });

  it('is as it was after "secure mutual"', async () => {
    succeeded(await system.sallyport('secure', 'mutual'));
    expect((await curl()).stdout).toBe('307');
    expect((await system.sallyport('doctor')).code).toBe(0);
    expect(await readFile(join(system.configDirectory, 'tedge.toml'), 'utf8')).toContain('type = "rpi4"');
  });

  it('is plain after "secure plain", also from its next start on', async () => {
    succeeded(await system.sallyport('secure', 'plain'));
    await system.kill();
    await system.resume();
    expect((await curl()).stdout).toBe('404');
  });

  // Two starts and two switches. A slow machine needs more than the usual time for them.
  it('can be lowered while it does not run', { timeout: 120_000 }, async () => {
    succeeded(await system.sallyport('secure', 'mutual'));
    await system.kill();
    expect((await system.sallyport('secure', 'plain')).stdout).toContain('find agent: does not run');
    await system.resume();
    expect((await curl()).stdout).toBe('404');
  });
});
