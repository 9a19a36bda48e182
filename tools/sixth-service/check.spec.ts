import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { openLog } from '@sallyport/runtime';
import { freePorts, temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { runSallyport } from '../../cli/src/fixtures/run-sallyport.fixture.js';
import { startStandalone } from './standalone.js';

const groups = [
  'http',
  'registry',
  'mqtt',
  'pki',
  'pki.public',
  'connector',
  'connector.mqtt',
  'coap',
  'pki.coap',
  'greeter',
  'greeter.coap',
];

// Runs as a test of standalone, in the copy of the repository that sixth-service.spec.mjs makes.
describe('a sixth service', () => {
  it('is served, secured, proved and examined like the others', { timeout: 120_000 }, async () => {
    await using directory = temporaryDirectory('sp-');
    const ports = await freePorts(groups.length);
    const [httpPort, coapPort] = ports.slice(-2);
    const toml = groups.map((group, index) => `${group}.bind.port = ${ports[index]}\n`).join('');
    await writeFile(directory.file('tedge.toml'), `${toml}http.client.port = ${ports[0]}\n`);
    const options = { configDir: directory.path, argv: [] };
    const log = openLog({ level: 'silent' });
    const system = await startStandalone({ env: {}, cwd: directory.path, options, log });
    const run = (...words: string[]) =>
      runSallyport(['--config-dir', directory.path, ...words], { cwd: directory.path });
    try {
      await expect((await fetch(`http://127.0.0.1:${httpPort}/`)).text()).resolves.toBe('hello');
      await expect(answerAt(Number(coapPort))).resolves.toBe('00e1');
      const secured = await run('secure', 'mutual');
      expect(secured).toMatchObject({ exitCode: 0 });
      expect(secured.stdout.match(/prove greeter/g)).toHaveLength(2);
      const levels = (await system.describe()).entrances.map(({ name, level, isOpen }) => ({ name, level, isOpen }));
      expect(levels).toContainEqual({ name: 'greetings', level: 'mutual', isOpen: true });
      expect(levels).toContainEqual({ name: 'greetings of streams', level: 'mutual', isOpen: true });
      expect(await run('status')).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/greeter +ready/) });
      expect(await run('doctor')).toMatchObject({ exitCode: 0 });
      expect(await run('secure', 'plain')).toMatchObject({ exitCode: 0 });
    } finally {
      await system.stop();
    }
  });
});

async function answerAt(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1').end(Buffer.from('00e1', 'hex'));
  const [bytes] = await once(socket, 'data');
  socket.destroy();
  return bytes.toString('hex');
}
