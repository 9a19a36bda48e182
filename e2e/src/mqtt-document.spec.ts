import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDocument } from './seeds/document.js';
import { extractCommands, extractFile } from './seeds/extract-commands.js';
import { Machine } from './seeds/machine.js';

/** Where the page says the files of Mosquitto belong. */
const folder = '/etc/mosquitto/ca_certificates';
const confFile = '/etc/mosquitto/conf.d/tls.conf';

/** The words that stand for a path on the page, and what its reader writes instead. */
const paths: Readonly<Record<string, string>> = {
  PATH_TO_SERVER_CERTIFICATE: `${folder}/server.crt`,
  PATH_TO_SERVER_PRIVATE_KEY: `${folder}/server.key`,
  PATH_TO_CLIENT_CA_CERTIFICATE: `${folder}/ca.crt`,
  PATH_TO_CA_CERTIFICATE_DIRECTORY: folder,
  PATH_TO_CA_CERTIFICATE: `${folder}/ca.crt`,
  PATH_TO_CLIENT_CERTIFICATE: `${folder}/client.crt`,
  PATH_TO_CLIENT_PRIVATE_KEY: `${folder}/client.key`,
};

/**
 * The tests follow the order of the page: no authentication, server, server and client. Commands and the two files of
 * Mosquitto come from the page, with paths in place of the words PATH_TO_…. `prepare` does what the page leaves to its
 * reader. The title of such a test says so:
 *
 * - Mosquitto is on the machine, and thin-edge.io has given it a listener on port 1883 for everybody. Our broker leaves
 *   that port to it (`mqtt.bind.enabled false`).
 * - "Be sure that mosquitto can read both files": they are copied to the folder that the page names.
 * - "CA certificate directory": the page has a certificate and its key in one folder. It has the right names for both.
 */
describe('the page on MQTT authentication, followed letter by letter', () => {
  let document: string;
  let gateway: Machine;
  let mosquitto: ChildProcess | undefined;
  let mosquittoSaid = '';

  beforeAll(async () => {
    document = await readDocument('mqtt');
    gateway = await Machine.boot({ hostname: 'rpi4-dca632efb150', address: '192.168.1.6' });
  });

  afterAll(async () => {
    await stopMosquitto();
    await gateway?.[Symbol.asyncDispose]();
  });

  const filledIn = (text: string) => text.replace(/PATH_TO_\w+/g, (word) => paths[word] ?? word);

  /** Runs the commands of a section. */
  async function follow(...section: string[]): Promise<string> {
    const commands = extractCommands(document, section).map((block) => filledIn(block.commands));
    expect(commands).not.toEqual([]);
    return prepare(commands.join('\n'));
  }

  /** Runs what the page leaves to its reader. */
  async function prepare(commands: string): Promise<string> {
    const { failures, stdout, stderr } = await gateway.run(commands);
    expect(failures, `${commands}\n${stderr}\n${mosquittoSaid}\n${gateway.log}`).toEqual([]);
    return stdout;
  }

  /** What a command that must fail says. */
  async function refused(command: string): Promise<string> {
    const { failures, stdout, stderr } = await gateway.run(command);
    expect(failures, stdout).toHaveLength(1);
    return stdout + stderr;
  }

  /** Writes the file of Mosquitto that a section shows. */
  const writeConf = (...section: string[]) =>
    prepare(`cat > ${confFile} << 'END'\n${filledIn(extractFile(document, section))}END`);

  async function stopMosquitto(): Promise<void> {
    const running = mosquitto;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const gone = once(running, 'exit');
    running.kill('SIGTERM');
    await gone;
  }

  /** "Restart mosquitto service"; resolves to whether it runs. */
  async function restartMosquitto(): Promise<boolean> {
    await stopMosquitto();
    mosquittoSaid = '';
    const child = gateway.sandbox.spawn('mosquitto', ['-c', '/etc/mosquitto/mosquitto.conf']);
    mosquitto = child;
    return new Promise((resolve) => {
      child.once('exit', () => resolve(false));
      child.stderr?.on('data', (chunk: Buffer) => {
        mosquittoSaid += chunk.toString();
        if (/ running$/m.test(mosquittoSaid)) resolve(true);
      });
    });
  }

  /** Runs the command of each error in the file of Mosquitto, until there is none. */
  async function mendConf(): Promise<void> {
    for (let left = 5; left > 0; left--) {
      const { stdout } = await gateway.run('tedge mqtt broker-config --check /etc/mosquitto/mosquitto.conf');
      const [, fix] = /^error .*\n +mend it: (.*)$/m.exec(stdout) ?? [];
      if (fix === undefined) return;
      await prepare(fix);
    }
  }

  /** Publishes and reads back one message, each with other clients. */
  async function exchange(topic: string, mosquittoOptions: string): Promise<string> {
    const ours = await prepare(`tedge mqtt pub ${topic}/1 'from tedge' --retain
      mosquitto_sub ${mosquittoOptions} -t ${topic}/1 -C 1 -W 10 -v`);
    const theirs = await prepare(`mosquitto_pub ${mosquittoOptions} -q 1 -r -t ${topic}/2 -m 'from mosquitto_pub'
      tedge mqtt sub ${topic}/2 --count 1 --duration 10s`);
    return ours + theirs;
  }

  const exchanged = (topic: string) => `${topic}/1 from tedge\n[${topic}/2] from mosquitto_pub\n`;

  const onPage = {
    serverListener: ['Server authentication', 'Step 1: Configure server authenticated listener in Mosquitto broker'],
    serverClient: ['Server authentication', 'Step 2: Configure thin-edge.io to connect to the new listener'],
    mutualListener: [
      'Server + client authentication',
      'Step 1: Configure server + client authenticated listener in Mosquitto broker',
    ],
    mutualClient: [
      'Server + client authentication',
      'Step 2: Configure thin-edge.io to use a client certificate and private key',
    ],
    certificates: ['Generating certificates'],
  } as const;

  const host = '-h localhost';
  const trusting = `${host} -p 8883 --cafile ${folder}/ca.crt`;
  const showing = `${trusting} --cert ${folder}/client.crt --key ${folder}/client.key`;

  describe('in front of Mosquitto', () => {
    it('exchanges messages without authentication, once Mosquitto has the port', async () => {
      await prepare(`mkdir -p /etc/mosquitto/conf.d ${folder}
        printf 'user root\\nlog_dest stderr\\nlistener 1883 127.0.0.1\\nallow_anonymous true\\ninclude_dir /etc/mosquitto/conf.d\\n' > /etc/mosquitto/mosquitto.conf
        tedge config set mqtt.bind.enabled false
        systemctl restart tedge-agent`);
      expect(await restartMosquitto()).toBe(true);
      expect(await exchange('plain', `${host} -p 1883`)).toBe(exchanged('plain'));
    });

    it('makes all certificates with the script, which are then copied where Mosquitto can read them', async () => {
      await follow(...onPage.certificates);
      expect(await prepare('openssl verify -CAfile ca.crt server.crt client.crt')).toBe(
        'server.crt: OK\nclient.crt: OK\n',
      );
      await prepare(`cp ca.crt server.crt server.key client.crt client.key ${folder}`);
    });

    it('exchanges messages with server authentication', async () => {
      await writeConf(...onPage.serverListener);
      expect(await restartMosquitto(), mosquittoSaid).toBe(true);
      await follow(...onPage.serverClient);
      expect(await exchange('server', trusting)).toBe(exchanged('server'));
    });

    it('does not start with the file of the page for both, whose three paths are permuted', async () => {
      await writeConf(...onPage.mutualListener);
      expect(await restartMosquitto()).toBe(false);
      expect(mosquittoSaid).toContain('Unable to load');
    });

    it('is told by doctor which line is for which file', async () => {
      expect(await refused('tedge doctor')).toContain(
        `The right lines are: cafile ${folder}/ca.crt | certfile ${folder}/server.crt | keyfile ${folder}/server.key`,
      );
    });

    it('exchanges messages with both, once the commands of the check have mended the file', async () => {
      await mendConf();
      expect(await restartMosquitto(), mosquittoSaid).toBe(true);
      expect(await refused('tedge mqtt pub x x')).toContain('it wants a client certificate, and none was sent');
      await follow(...onPage.mutualClient);
      expect(await exchange('mutual', showing)).toBe(exchanged('mutual'));
    });
  });

  it('says which of certificate and key is missing, when only one is set', async () => {
    await prepare('tedge config unset mqtt.client.auth.key_file');
    expect(await refused('tedge mqtt pub x x')).toContain('Set mqtt.client.auth.key_file too');
    await prepare('tedge config unset mqtt.client.auth.cert_file');
    await prepare(`tedge config set mqtt.client.auth.key_file ${folder}/client.key`);
    expect(await refused('tedge mqtt pub x x')).toContain('Set mqtt.client.auth.cert_file too');
  });

  describe('in front of our own broker, with the certificates of the page', () => {
    const restart = 'systemctl restart tedge-agent';

    it('exchanges messages with server authentication, once our broker has the port', async () => {
      await stopMosquitto();
      await prepare(`tedge config set mqtt.bind.enabled true
        tedge config set mqtt.bind.port 8883
        tedge config set mqtt.bind.cert_file ${folder}/server.crt
        tedge config set mqtt.bind.key_file ${folder}/server.key
        tedge config unset mqtt.client.auth.cert_file
        tedge config unset mqtt.client.auth.key_file
        ${restart}`);
      expect(await exchange('own/server', trusting)).toBe(exchanged('own/server'));
    });

    it('exchanges messages with server and client authentication', async () => {
      await prepare(`tedge config set mqtt.bind.ca_path ${folder}/ca.crt\n${restart}`);
      expect(await refused('tedge mqtt pub x x')).toContain('it wants a client certificate, and none was sent');
      await follow(...onPage.mutualClient);
      // A client with a name has the topics below that name.
      expect(await exchange('te/device/client1', showing)).toBe(exchanged('te/device/client1'));
    });

    it('knows the client by the name its certificate gives it', async () => {
      expect(await prepare('tedge device show client1')).toMatch(/^State: +active$/m);
    });
  });

  describe('in front of our own broker, with "secure"', () => {
    const certificates = '/etc/tedge/client-certs';

    it('exchanges messages at level plain, at the usual port', async () => {
      const keys = ['client.port', 'client.cafile', 'client.cadir', 'client.auth.cert_file', 'client.auth.key_file'];
      await prepare(`${[...keys, 'bind.port'].map((key) => `tedge config unset mqtt.${key}`).join('\n')}
        tedge secure plain`);
      expect(await exchange('secure/plain', `${host} -p 1883`)).toBe(exchanged('secure/plain'));
    });

    it('exchanges messages at level server, without a step on the client', async () => {
      await prepare('tedge secure server');
      const options = `${host} -p 1883 --cafile ${certificates}/ca.pem`;
      expect(await exchange('secure/server', options)).toBe(exchanged('secure/server'));
    });

    it('exchanges messages at level mutual, without a step on the client', async () => {
      await prepare('tedge secure mutual');
      const files = `--cert ${certificates}/certificate.pem --key ${certificates}/private-key.pem`;
      const options = `${host} -p 1883 --cafile ${certificates}/ca.pem ${files}`;
      expect(await exchange('te/secure', options)).toBe(exchanged('te/secure'));
    });

    it('opens the second listener of mqtt.external at the same level, with one certificate for both', async () => {
      await prepare(`tedge config set mqtt.external.bind.port 8883
        tedge config set mqtt.external.bind.interface lo
        tedge secure mutual
        tedge config set mqtt.client.port 8883`);
      const files = `--cert ${certificates}/certificate.pem --key ${certificates}/private-key.pem`;
      const options = `${host} -p 8883 --cafile ${certificates}/ca.pem ${files}`;
      expect(await exchange('te/external', options)).toBe(exchanged('te/external'));
      await prepare('tedge config unset mqtt.client.port');
      expect(await prepare('tedge mqtt pub te/external/3 x --retain; tedge mqtt sub te/external/3 -C 1 -W 10')).toBe(
        '[te/external/3] x\n',
      );
    });

    it('refuses a client with the certificate of another CA, and one without any', async () => {
      const publish = `mosquitto_pub ${host} -p 1883 --cafile ${certificates}/ca.pem -q 1 -t x -m x`;
      await refused(publish);
      await refused(`${publish} --cert ${folder}/client.crt --key ${folder}/client.key`);
    });
  });
});
