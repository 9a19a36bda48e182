import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CommandResult, System, succeeded } from './system.js';

describe('the whole system in one process', () => {
  let system: System;

  beforeAll(async () => {
    system = await System.start();
    succeeded(await system.sallyport('secure', 'mutual'));
  });
  afterAll(() => system.stop());

  it('needs less than 160 MB, also while a large file is transferred over mutual TLS', async () => {
    const device = await system.enrol('child01');
    const file = join(system.directory, 'large');
    await writeFile(file, '');
    await truncate(file, 256 * 1024 * 1024);
    const url = `https://localhost:${system.ports.http}/te/v1/files/child01/large`;
    const curl = (...args: string[]): Promise<CommandResult> => system.run('curl', [...device.curl, '--fail', ...args]);
    succeeded(await curl('--upload-file', file, url));
    succeeded(await curl('--output', '/dev/null', url));
    expect(system.peakMegabytes).toBeLessThan(160);
  });
});
