import 'reflect-metadata';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { healthRoutes } from '@sallyport/protocol';
import {
  bundleProgram,
  spawnMosquitto,
  type TemporaryDirectory,
  temporaryDirectory,
  waitFor,
} from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BridgeSite } from '../bridge-site.fixture.js';

let folder: TemporaryDirectory;
let worker: URL;

beforeAll(async () => {
  folder = temporaryDirectory('sp-');
  worker = pathToFileURL(await bundleProgram(fileURLToPath(new URL('main.ts', import.meta.url)), folder.path));
});
afterAll(() => folder.remove());

/** A worker that throws when there is a file `crash`. */
async function crashingWorker(): Promise<{ worker: URL; crash: () => Promise<void> }> {
  const [program, flag] = [folder.file('crashing.mjs'), folder.file('crash')];
  const lines = [
    `import { existsSync, rmSync } from 'node:fs';`,
    `import ${JSON.stringify(worker.href)};`,
    `setInterval(() => { if (existsSync(${JSON.stringify(flag)})) { rmSync(${JSON.stringify(flag)}); throw new Error('the test wants it'); } }, 10);`,
  ];
  await writeFile(program, lines.join('\n'));
  const crash = async () => {
    await writeFile(flag, '');
    await waitFor(() => !existsSync(flag));
  };
  return { worker: pathToFileURL(program), crash };
}

const plantMapper = (port: number) => `url = "127.0.0.1:${port}"
device.id = "plant-gateway"
auth_method = "auto"
bridge.tls.enable = false
`;

const plantRules = `local_prefix = "plant/"
remote_prefix = ""

[[rule]]
topic = "#"
direction = "outbound"
`;

describe.each(['embedded broker', 'Mosquitto'] as const)('a bridge in a worker thread, with the %s', (localBroker) => {
  it('passes messages both ways, in order', async () => {
    await using site = await BridgeSite.open({ localBroker, worker });
    const texts = Array.from({ length: 500 }, (_, index) => `200,c8y_Count,N,${index}`);
    await Promise.all(texts.map((text) => site.publish('c8y/s/us', text)));
    await waitFor(() => site.cloud.mqtt.received('s/us').includes('200,c8y_Count,N,499'));
    expect(site.cloud.mqtt.received('s/us').filter((text) => text.startsWith('200'))).toEqual(texts);
    for (let index = 0; index < 500; index += 1) site.cloud.mqtt.send('s/ds', `510,${index}`);
    await waitFor(() => site.texts('c8y/s/ds').includes('510,499'));
    expect(site.texts('c8y/s/ds')).toEqual(Array.from({ length: 500 }, (_, index) => `510,${index}`));
  });
});

describe('the thread of the bridges', () => {
  it('starts again after a crash, loses nothing, and is counted', async () => {
    const { worker: crashing, crash } = await crashingWorker();
    await using site = await BridgeSite.open({ worker: crashing });
    await crash();
    await site.publish('c8y/s/us', '200,c8y_Count,N,1');
    await waitFor(() => site.cloud.mqtt.received('s/us').includes('200,c8y_Count,N,1'));
    await site.untilState('up');
    expect(await site.admin.call(healthRoutes.metrics)).toContain('sallyport_bridge_thread_restarts_total 1');
  });

  it('says why the cloud is away, in the words of the service', async () => {
    await using site = await BridgeSite.open({ worker });
    await site.cloud.mqtt.link.refuse();
    await site.untilState('down');
    const { port } = site.cloud.mqtt.link;
    await waitFor(async () => (await site.bridges())[0]?.remote.fault?.includes(`localhost:${port}`));
  });

  it('goes on with one bridge when another one ends', async () => {
    await using other = await spawnMosquitto();
    await using site = await BridgeSite.prepare({ worker });
    await site.writeFile('mappers/plant/mapper.toml', plantMapper(other.port));
    await site.writeFile('mappers/plant/bridge/all.toml', plantRules);
    site.settings['cloud.connections'] = 'c8y,plant';
    await site.start();
    await waitFor(
      async () => (await site.bridges()).map(({ name, state }) => `${name} ${state}`).join() === 'c8y up,plant up',
    );
    site.settings['cloud.connections'] = 'c8y';
    expect(await site.reload()).toMatchObject({ changes: [{ name: 'plant', change: 'removed' }] });
    const metrics = await site.admin.call(healthRoutes.metrics);
    expect(metrics).toContain('sallyport_bridge_thread_restarts_total 0');
    expect(metrics).toContain('sallyport_bridge_connections_total{cloud="c8y",side="remote"} 1');
    expect((await site.bridges()).map(({ name, state }) => `${name} ${state}`)).toEqual(['c8y up']);
  });

  it('that cannot be started does not keep the service from starting', async () => {
    await using site = await BridgeSite.prepare({ worker: pathToFileURL(folder.file('missing.mjs')) });
    await site.start();
    await waitFor(async () => /missing\.mjs/.test((await site.bridges())[0]?.remote.fault ?? ''));
  });

  it('ends with the last bridge, and comes back with the next', async () => {
    await using site = await BridgeSite.open({ worker });
    site.settings['cloud.connections'] = '';
    await site.reload();
    expect(await site.bridges()).toEqual([]);
    site.settings['cloud.connections'] = 'c8y';
    await site.reload();
    await site.untilState('up');
  });
});
