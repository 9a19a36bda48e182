import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:https';
import { join } from 'node:path';
import { bundleProgram, TestCa, temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ServedProcess } from '../served-process.fixture.js';

const mebibyte = 1024 * 1024;

describe('the memory of the service', () => {
  it('does not grow with each connection over TLS that has downloaded a large file', async () => {
    await using folder = temporaryDirectory();
    await using ca = await TestCa.create();
    const { certPath, keyPath } = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
    const directory = join(folder.path, 'files');
    await mkdir(directory);
    await writeFile(join(directory, 'large'), Buffer.alloc(4 * mebibyte));
    const script = await bundleProgram(join(import.meta.dirname, '../file-transfer-process.fixture.ts'), folder.path);
    await using service = await ServedProcess.start(script, { directory, certPath, keyPath });
    const download = async (): Promise<void> => {
      // Each download has a connection of its own, which stays open.
      const agent = new Agent({ keepAlive: true, ca: ca.certPem });
      onTestFinished(() => agent.destroy());
      const options = { host: 'localhost', port: service.port, path: '/te/v1/files/large', agent };
      const [reply] = await once(get(options), 'response');
      await once(reply.resume(), 'end');
    };
    for (let count = 0; count < 5; count += 1) await download();
    const before = await service.peakBytes();
    for (let count = 0; count < 60; count += 1) await download();

    // A connection needs 0.1 MiB.
    expect((await service.peakBytes()) - before).toBeLessThan(40 * mebibyte);
  });
});
