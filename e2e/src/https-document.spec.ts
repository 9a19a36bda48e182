import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDocument } from './seeds/document.js';
import { type CommandBlock, extractCommands } from './seeds/extract-commands.js';
import { Machine } from './seeds/machine.js';

const greeting = 'Hello thin-edge.io\n';
const certificates = '/etc/tedge/device-local-certs';

/**
 * The tests follow the order of the page: each level builds on the one before. All commands of the page run exactly as
 * printed, on the machine that the page names. `prepare` does what the page leaves to its reader. The title of such a
 * test says so:
 *
 * - `tedge config get device.id` prints a device id after an installation. Our machine has none.
 * - "Assuming the main device certificate is stored in /etc/tedge/device-local-certs": the page makes it in the working
 *   directory, so we copy it.
 * - The CA certificate, the CSR and the client certificate must be copied from machine to machine. "The laptop owning
 *   the signing key" is the main device here.
 * - `$DEVICE` is set on the main device only, so the subject of the child has no OU. openssl warns and continues.
 *
 * The child runs the same product. It does not fetch files by itself yet. So the test only shows that it starts with
 * `http.client.*` and that `config get` prints these settings.
 */
describe('the page on HTTPS, followed letter by letter', () => {
  let document: string;
  let main: Machine;
  let child: Machine;
  const followed: string[] = [];

  beforeAll(async () => {
    document = await readDocument('https');
    main = await Machine.boot({ hostname: 'rpi4-dca632efb150', address: '192.168.1.6' });
    child = await Machine.boot({ hostname: 'child01', address: '192.168.1.7', neighbour: main.sandbox });
  });

  afterAll(async () => {
    await child?.[Symbol.asyncDispose]();
    await main?.[Symbol.asyncDispose]();
  });

  /** The command blocks of a section, in the order of the page. */
  const blocksOf = (...section: string[]): CommandBlock[] => extractCommands(document, section);

  /** Runs a block exactly as printed. None of its commands may fail. */
  async function follow(block: CommandBlock | undefined, machine: Machine): Promise<string> {
    const { commands } = block ?? { commands: 'false # the page has no such block' };
    followed.push(commands);
    return prepare(machine, commands);
  }

  /** Runs what the page leaves to its reader. */
  async function prepare(machine: Machine, commands: string): Promise<string> {
    const { failures, stdout, stderr } = await machine.run(commands);
    expect(failures, `${commands}\n${stderr}\n${machine.log}`).toEqual([]);
    return stdout;
  }

  /** The output of a command that must fail. */
  async function refused(machine: Machine, command: string): Promise<string> {
    const { failures } = await machine.run(command);
    expect(failures).toHaveLength(1);
    return failures[0] ?? '';
  }

  const homeOf = async (machine: Machine) => (await prepare(machine, 'cd; pwd')).trim();

  /** Each machine has its own home directory, where its commands run. */
  const carry = async (file: string, from: Machine, to: Machine) =>
    copyFile(join(await homeOf(from), file), join(await homeOf(to), file));

  describe('Default HTTP setting', () => {
    it('transfers a file over HTTP', async () => {
      const [transfer] = blocksOf('Default HTTP Setting', 'File Transfer Service');
      expect(await follow(transfer, main)).toBe(greeting);
    });

    it('serves this machine only', async () => {
      const curl = 'curl --silent http://rpi4-dca632efb150:8000/tedge/file-transfer/foo.txt';
      expect(await refused(child, curl)).toMatch(/^7: curl/);
    });
  });

  describe('Open HTTP services on the local network', () => {
    const section = ['Open HTTP services on the local network', 'File Transfer Service'];

    it('binds to the address of the main device', async () => {
      const [bind] = blocksOf(...section);
      expect(bind?.place).toBe('main device');
      await follow(bind, main);
      expect(main.log).toContain('http://192.168.1.6:8000/tedge/file-transfer/');
    });

    it('is used from the child device', async () => {
      const [, configure, transfer] = blocksOf(...section);
      expect([configure?.place, transfer?.place]).toEqual(['child device', 'child device']);
      await follow(configure, child);
      expect(await follow(transfer, child)).toBe(greeting);
      expect(await prepare(child, 'tedge config get http.client.host')).toBe('rpi4-dca632efb150\n');
    });
  });

  describe('Enable HTTPS', () => {
    const generating = ['Enable HTTPS', 'Generating Certificates'];

    it('makes a signing certificate, once the device has an id', async () => {
      await prepare(main, 'tedge config set device.id rpi4-dca632efb150');
      const [authority] = blocksOf(...generating);
      await follow(authority, main);
      expect(await prepare(main, 'echo $DEVICE')).toBe('rpi4-dca632efb150\n');
    });

    it('trusts the signing certificate on both devices, once it is carried to the child', async () => {
      const [, trust] = blocksOf(...generating);
      await carry('tedge-local-ca.crt', main, child);
      await Promise.all([follow(trust, main), follow(trust, child)]);
    });

    it('makes the certificates of agent and mapper', async () => {
      const [, , ...servers] = blocksOf(...generating);
      for (const server of servers) await follow(server, main);
      const verify = 'openssl verify main-agent.crt c8y-mapper.crt';
      expect(await prepare(main, verify)).toBe('main-agent.crt: OK\nc8y-mapper.crt: OK\n');
    });

    it('serves HTTPS, once the certificate is copied to where the page assumes it', async () => {
      await prepare(main, `mkdir ${certificates}\ncp main-agent.crt main-agent.key ${certificates}`);
      const [enable] = blocksOf('Enable HTTPS', 'File Transfer Service');
      expect(enable?.place).toBe('main device');
      await follow(enable, main);
      expect(main.log).toContain('https://192.168.1.6:8000/tedge/file-transfer/');
    });

    it('is used from the child device, which trusts the signing certificate', async () => {
      const [, transfer] = blocksOf('Enable HTTPS', 'File Transfer Service');
      expect(transfer?.place).toBe('child device');
      expect(await follow(transfer, child)).toBe(greeting);
    });

    it('redirects those who still use HTTP', async () => {
      const curl = "curl --silent --output /dev/null --write-out '%{http_code} %{redirect_url}'";
      const url = '//rpi4-dca632efb150:8000/tedge/file-transfer/foo.txt';
      expect(await prepare(child, `${curl} http:${url}`)).toBe(`307 https:${url}`);
    });
  });

  describe('Enable HTTPS client authentication', () => {
    const generating = ['Enable HTTPS client authentication', 'Generating Certificates'];
    const transferring = ['Enable HTTPS client authentication', 'File Transfer Service'];

    it('makes key and signing request on the child device', async () => {
      const [request] = blocksOf(...generating);
      expect(request?.place).toBe('on each child device');
      await follow(request, child);
    });

    it('signs the request where the signing key is, once it is carried there', async () => {
      const [, sign] = blocksOf(...generating);
      expect(sign?.place).toBe('on the laptop owning the signing key');
      await carry('tedge-client.csr', child, main);
      await follow(sign, main);
      expect(await prepare(main, 'openssl verify tedge-client.crt')).toBe('tedge-client.crt: OK\n');
    });

    it('asks clients for a certificate', async () => {
      const [enable] = blocksOf(...transferring);
      expect(enable?.place).toBe('main device');
      await follow(enable, main);
      expect(main.log).toMatch(/https:\/\/192\.168\.1\.6:8000\/tedge\/file-transfer\/ +mutual TLS/);
    });

    it('is used from the child device, once its certificate is copied to where the page assumes it', async () => {
      await carry('tedge-client.crt', main, child);
      await prepare(child, `mkdir ${certificates}`);
      await prepare(child, `cp tedge-client.crt tedge-client.key ${certificates}`);
      const [, transfer] = blocksOf(...transferring);
      expect(transfer?.place).toBe('child device');
      expect(await follow(transfer, child)).toBe(greeting);
    });

    it('refuses a client without a certificate', async () => {
      const [, plain] = blocksOf('Enable HTTPS', 'File Transfer Service');
      const { failures, stdout } = await child.run(plain?.commands ?? '');
      expect(failures).toEqual([
        expect.stringMatching(/^(55|56): curl -X PUT -F 'file=@\/tmp\/foo.txt' https:/),
        expect.stringMatching(/^(55|56): curl https:/),
      ]);
      expect(stdout).toBe('');
    });

    it('lets the agent of the child device use the certificate', async () => {
      const [, , configure] = blocksOf(...transferring);
      expect(configure?.place).toBe('child device');
      await follow(configure, child);
      expect(await prepare(child, 'tedge config get http.client.auth.cert_file')).toBe(
        `${certificates}/tedge-client.crt\n`,
      );
    });

    it('knows the child by the name its certificate gives it', async () => {
      expect(await prepare(main, 'tedge device show tedge-client')).toMatch(/^State: +active$/m);
    });
  });

  it('leaves out nothing but the Cumulocity proxy, which c8y-proxy-document.spec.ts follows', () => {
    const isCommand = /^(?:cat|cp|curl|echo|openssl|sudo|tedge) /;
    const commands = new Set(document.split('\n').filter((line) => isCommand.test(line)));
    const done = new Set(followed.join('').split('\n'));
    expect([...commands].filter((line) => !done.has(line))).toEqual([
      'curl http://localhost:8001/c8y/inventory/managedObjects ',
      'sudo tedge config set c8y.proxy.bind.address 192.168.1.6',
      'sudo systemctl restart tedge-mapper-c8y',
      'sudo tedge config set c8y.proxy.client.host rpi4-dca632efb150',
      'curl http://rpi4-dca632efb150:8001/c8y/inventory/managedObjects ',
      'tedge config set c8y.proxy.cert_path /etc/tedge/device-local-certs/c8y-mapper.crt',
      'tedge config set c8y.proxy.key_path /etc/tedge/device-local-certs/c8y-mapper.key',
      'curl https://rpi4-dca632efb150:8001/c8y/inventory/managedObjects ',
      'sudo tedge config set c8y.proxy.ca_path /etc/ssl/certs',
    ]);
  });
});
