import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDocument } from './document.js';
import { extractCommands } from './extract-commands.js';
import { type BlockResult, Sandbox } from './sandbox.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const node = `${process.execPath} --disable-warning=DEP0169`;
const standalone = `${root}apps/standalone/dist/bundle/main.js`;
const cli = `${root}apps/cli/dist/bundle/main.js`;

/** The product on the machine the page describes: main device and child device are one. */
class Machine {
  private product: ChildProcess | undefined;
  private output = '';

  private constructor(private readonly sandbox: Sandbox) {}

  static async boot(): Promise<Machine> {
    const restart = { now: (): Promise<void> => Promise.reject(new Error('the machine has not booted')) };
    const sandbox = await Sandbox.open({
      hostname: 'rpi4-dca632efb150',
      address: '192.168.1.6',
      workingDirectory: '/etc/tedge/device-local-certs',
      programs: { tedge: `exec ${node} ${cli} "$@"` },
      onRestart: () => restart.now(),
    });
    const machine = new Machine(sandbox);
    restart.now = () => machine.restart();
    await machine.restart();
    return machine;
  }

  /** Everything the product has printed since it was last started. */
  get log(): string {
    return this.output;
  }

  run(commands: string): Promise<BlockResult> {
    return this.sandbox.run(commands);
  }

  async restart(): Promise<void> {
    await this.stopProduct();
    this.output = '';
    const product = this.sandbox.spawn(process.execPath, ['--disable-warning=DEP0169', standalone]);
    this.product = product;
    await new Promise<void>((resolve, reject) => {
      const read = (chunk: Buffer): void => {
        this.output += chunk.toString();
        if (this.output.includes('Ctrl-C stops everything.')) resolve();
      };
      product.stdout?.on('data', read);
      product.stderr?.on('data', read);
      product.once('error', reject);
      product.once('exit', (code) => reject(new Error(`the product ended with ${code}:\n${this.output}`)));
    });
  }

  async shutDown(): Promise<void> {
    await this.stopProduct();
    await this.sandbox[Symbol.asyncDispose]();
  }

  private async stopProduct(): Promise<void> {
    if (this.product === undefined || this.product.exitCode !== null) return;
    const gone = once(this.product, 'exit');
    this.product.kill('SIGTERM');
    await gone;
  }
}

// One story, told in the order of the page: each level builds on the one before.
describe('the page on HTTPS, followed letter by letter', () => {
  let document: string;
  let machine: Machine;

  beforeAll(async () => {
    [document, machine] = await Promise.all([readDocument('https'), Machine.boot()]);
  });

  afterAll(() => machine.shutDown());

  /** Runs every command of a section; none may fail, and what the last one prints is returned. */
  async function follow(...section: string[]): Promise<string> {
    let stdout = '';
    for (const { commands } of extractCommands(document, section)) {
      const result = await machine.run(commands);
      expect(result.failures, `${commands}\n${result.stderr}\n${machine.log}`).toEqual([]);
      ({ stdout } = result);
    }
    return stdout;
  }

  it('transfers a file over HTTP', async () => {
    expect(await follow('Default HTTP Setting', 'File Transfer Service')).toBe('Hello thin-edge.io\n');
  });

  it('opens the service to the local network', async () => {
    const section = ['Open HTTP services on the local network', 'File Transfer Service'];
    expect(await follow(...section)).toBe('Hello thin-edge.io\n');
  });

  it('makes certificates, and trusts their CA', async () => {
    await machine.run('tedge config set device.id rpi4-dca632efb150');
    await follow('Enable HTTPS', 'Generating Certificates');
  });

  it('transfers a file over HTTPS', async () => {
    expect(await follow('Enable HTTPS', 'File Transfer Service')).toBe('Hello thin-edge.io\n');
  });

  it('makes a client certificate', async () => {
    await follow('Enable HTTPS client authentication', 'Generating Certificates');
  });

  it('transfers a file over HTTPS with client authentication', async () => {
    const [enable, transfer, client] = extractCommands(document, [
      'Enable HTTPS client authentication',
      'File Transfer Service',
    ]);
    expect(await machine.run(enable?.commands ?? '')).toMatchObject({ failures: [] });
    expect(await machine.run(transfer?.commands ?? '')).toMatchObject({ failures: [], stdout: 'Hello thin-edge.io\n' });
    expect(await machine.run(client?.commands ?? '')).toMatchObject({ failures: [] });
  });

  it('serves nobody without a certificate any more', async () => {
    const { failures } = await machine.run('curl --silent https://rpi4-dca632efb150:8000/tedge/file-transfer/foo.txt');
    expect(failures).toHaveLength(1);
  });
});
