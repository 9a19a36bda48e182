import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDocument } from './seeds/document.js';
import { type CommandBlock, extractCommands } from './seeds/extract-commands.js';
import { Machine } from './seeds/machine.js';
import { startTenant } from './seeds/tenant.js';

const hostname = 'rpi4-dca632efb150';
const certificates = '/etc/tedge/device-local-certs';

/**
 * The Cumulocity half of the page on HTTPS, in the order of the page. All its commands run exactly as printed, on the
 * machine that the page names; `https-document.spec.ts` follows the rest. What the page leaves to its reader, `prepare`
 * does, and the title of the test says so: "When a device is successfully connected to Cumulocity IoT" is a fake tenant
 * on the main device, and `tedge connect c8y`.
 */
describe('the page on HTTPS, for the Cumulocity proxy', () => {
  let document: string;
  let main: Machine;
  let child: Machine;
  const followed: string[] = [];

  beforeAll(async () => {
    document = await readDocument('https');
    main = await Machine.boot({ hostname, address: '192.168.1.6' });
    child = await Machine.boot({ hostname: 'child01', address: '192.168.1.7', neighbour: main.sandbox });
  });

  afterAll(async () => {
    await child?.[Symbol.asyncDispose]();
    await main?.[Symbol.asyncDispose]();
  });

  const blocksOf = (...section: string[]): CommandBlock[] => extractCommands(document, section);

  async function follow(block: CommandBlock | undefined, machine: Machine): Promise<string> {
    const { commands } = block ?? { commands: 'false # the page has no such block' };
    followed.push(commands);
    return prepare(machine, commands);
  }

  async function prepare(machine: Machine, commands: string): Promise<string> {
    const { failures, stdout, stderr } = await machine.run(commands);
    expect(failures, `${commands}\n${stderr}\n${machine.log}`).toEqual([]);
    return stdout;
  }

  async function refused(machine: Machine, command: string): Promise<string> {
    const { failures } = await machine.run(command);
    expect(failures).toHaveLength(1);
    return failures[0] ?? '';
  }

  const carry = async (file: string, from: Machine, to: Machine) => {
    const homeOf = async (machine: Machine) => (await prepare(machine, 'cd; pwd')).trim();
    await copyFile(join(await homeOf(from), file), join(await homeOf(to), file));
  };

  /** What the tenant answers to the request of the page. */
  const theDevices = expect.stringContaining(`"name":"${hostname}"`);

  describe('Default HTTP setting', () => {
    it('answers from the cloud, once the device is connected', async () => {
      const tenant = await startTenant(main.sandbox, hostname);
      await prepare(
        main,
        [
          `tedge config set device.cert_path ${tenant.certPath}`,
          `tedge config set device.key_path ${tenant.keyPath}`,
          'tedge config set c8y.url localhost',
          `tedge config set c8y.http localhost:${tenant.api}`,
          `tedge config set c8y.mqtt localhost:${tenant.mqtt}`,
          `tedge config set c8y.root_cert_path ${tenant.caPath}`,
          'tedge connect c8y',
          '',
        ].join('\n'),
      );
      const [list] = blocksOf('Default HTTP Setting', 'Cumulocity Proxy');

      expect(await follow(list, main)).toEqual(theDevices);
    });

    it('serves this machine only', async () => {
      expect(await refused(child, `curl --silent http://${hostname}:8001/c8y/inventory/managedObjects`)).toMatch(
        /^7: curl/,
      );
    });
  });

  describe('Open HTTP services on the local network', () => {
    const section = ['Open HTTP services on the local network', 'Cumulocity Proxy'];

    it('binds to the address of the main device', async () => {
      const [bind] = blocksOf(...section);
      expect(bind?.place).toBe('device running tedge-mapper-c8y');
      await follow(bind, main);
      expect(main.log).toContain('http://192.168.1.6:8001/c8y/');
    });

    it('is used from main and child device', async () => {
      const [, configure, list] = blocksOf(...section);
      expect([configure?.place, list?.place]).toEqual(['main and child device', 'main and child device']);
      await Promise.all([follow(configure, main), follow(configure, child)]);

      expect(await Promise.all([follow(list, main), follow(list, child)])).toEqual([theDevices, theDevices]);
      expect(await prepare(child, 'tedge config get c8y.proxy.client.host')).toBe(`${hostname}\n`);
    });
  });

  describe('Enable HTTPS', () => {
    it('makes the certificates, trusts them, and copies them to where the page assumes them', async () => {
      const [authority, trust, ...servers] = blocksOf('Enable HTTPS', 'Generating Certificates');
      await follow(authority, main);
      await carry('tedge-local-ca.crt', main, child);
      await Promise.all([follow(trust, main), follow(trust, child)]);
      for (const server of servers) await follow(server, main);
      await prepare(main, `mkdir ${certificates}\ncp main-agent.* c8y-mapper.* ${certificates}`);
    });

    it('serves HTTPS', async () => {
      const [enable] = blocksOf('Enable HTTPS', 'Cumulocity Proxy');
      expect(enable?.place).toBe('on the box running c8y mapper');
      await follow(enable, main);
      expect(main.log).toContain('https://192.168.1.6:8001/c8y/');
    });

    it('is used from main and child device, beside file transfer as the section before has set it up', async () => {
      const [, transfer, list] = blocksOf('Enable HTTPS', 'Cumulocity Proxy');
      expect([transfer?.place, list?.place]).toEqual(['child device', 'main and child device']);
      const [openToNetwork] = blocksOf('Open HTTP services on the local network', 'File Transfer Service');
      const [enable] = blocksOf('Enable HTTPS', 'File Transfer Service');
      await prepare(main, `${openToNetwork?.commands}${enable?.commands}`);

      expect(await follow(transfer, child)).toBe('Hello thin-edge.io\n');
      expect(await Promise.all([follow(list, main), follow(list, child)])).toEqual([theDevices, theDevices]);
    });

    it('redirects those who still use HTTP', async () => {
      const curl = "curl --silent --output /dev/null --write-out '%{http_code} %{redirect_url}'";
      const url = `//${hostname}:8001/c8y/inventory/managedObjects`;
      expect(await prepare(child, `${curl} http:${url}`)).toBe(`307 https:${url}`);
    });
  });

  describe('Enable HTTPS client authentication', () => {
    const section = ['Enable HTTPS client authentication', 'Cumulocity Proxy'];

    it('gives the child device a certificate, and copies it to where the page assumes it', async () => {
      const [request, sign] = blocksOf('Enable HTTPS client authentication', 'Generating Certificates');
      await follow(request, child);
      await carry('tedge-client.csr', child, main);
      await follow(sign, main);
      await carry('tedge-client.crt', main, child);
      await prepare(child, `mkdir ${certificates}\ncp tedge-client.crt tedge-client.key ${certificates}`);
    });

    it('asks clients for a certificate', async () => {
      const [enable] = blocksOf(...section);
      expect(enable?.place).toBe('on the box running tedge-mapper');
      await follow(enable, main);
      expect(main.log).toMatch(/https:\/\/192\.168\.1\.6:8001\/c8y\/ +mutual TLS/);
    });

    it('is used from the child device', async () => {
      const [, list] = blocksOf(...section);
      expect(list?.place).toBe('child device');
      expect(await follow(list, child)).toEqual(theDevices);
    });

    it('refuses a client without a certificate', async () => {
      const [, , list] = blocksOf('Enable HTTPS', 'Cumulocity Proxy');
      expect(await refused(child, list?.commands ?? '')).toMatch(/^(55|56): curl https:/);
    });

    it('lets the agents of main and child device use the certificate', async () => {
      const [, , configure] = blocksOf(...section);
      expect(configure?.place).toBe('main device as well as child devices');
      await carry('tedge-client.key', child, main);
      await prepare(main, `cp tedge-client.crt tedge-client.key ${certificates}`);
      await Promise.all([follow(configure, main), follow(configure, child)]);

      const get = 'tedge config get http.client.auth.cert_file';
      expect(await Promise.all([prepare(main, get), prepare(child, get)])).toEqual(
        [main, child].map(() => `${certificates}/tedge-client.crt\n`),
      );
    });

    it('knows the child by the name its certificate gives it', async () => {
      expect(await prepare(main, 'tedge device show tedge-client')).toMatch(/^State: +active$/m);
    });
  });

  it('leaves out no command of the page about the proxy', () => {
    const linesOf = (text: string) => text.split('\n').map((line) => line.trimEnd());
    const isOfProxy = /^(?:sudo )?(?:tedge|systemctl|curl) .*(?:c8y|8001)/;
    const commands = linesOf(document).filter((line) => isOfProxy.test(line));
    const done = new Set(linesOf(followed.join('')));

    expect(commands.length).toBeGreaterThan(8);
    expect(commands.filter((line) => !done.has(line))).toEqual([]);
  });
});
