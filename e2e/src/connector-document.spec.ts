import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { timelinePage } from '@sallyport/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDocument } from './seeds/document.js';
import { type CommandBlock, extractCommands } from './seeds/extract-commands.js';
import { Machine } from './seeds/machine.js';
import { Sandbox } from './seeds/sandbox.js';

const domain = 'k3p9.m2.example.net';

/** The words that stand for a name on the page, and what its reader writes instead. */
const names: Readonly<Record<string, string>> = {
  '<The-domain-of-connector>': domain,
  '<Key-name>': 'fleet',
  '<Cert-name>': 'fleet',
  '<Device-name>': 'pump-17',
};

/**
 * The tests follow the order of the page. Its openssl and curl commands run exactly as printed, with names in place of
 * the words in angle brackets: at the factory, which owns the Client CA, and where the device is. `prepare` does what
 * the page leaves to its reader. The title of such a test says so:
 *
 * - The page clicks. Each click is a command here: ADD, DECODE and SUBMIT are `client-ca decode` and `client-ca add`.
 * - The page has a domain with a certificate that everybody trusts. Our connector is opened to the network at port 443,
 *   and the device trusts the root of the site.
 */
describe('the page on the PKI of a connector, followed letter by letter', () => {
  let document: string;
  let connector: Machine;
  let factory: Sandbox;
  const followed: string[] = [];

  beforeAll(async () => {
    document = await readDocument('connector');
    connector = await Machine.boot({ hostname: domain, address: '192.168.1.6' });
    factory = await Sandbox.open({ hostname: 'factory', address: '192.168.1.7', neighbour: connector.sandbox });
  });

  afterAll(async () => {
    await factory?.[Symbol.asyncDispose]();
    await connector?.[Symbol.asyncDispose]();
  });

  /** The command blocks of a section, filled in, in the order of the page. */
  const blocksOf = (section: string, values = names): CommandBlock[] =>
    extractCommands(document, [section]).map((block) => ({ ...block, commands: filledIn(block.commands, values) }));

  const filledIn = (text: string, values: Readonly<Record<string, string>>) =>
    text.replace(/<[\w-]+>/g, (word) => values[word] ?? word);

  /** Runs a block of the page at the factory. None of its commands may fail. */
  async function follow(block: CommandBlock | undefined) {
    const { commands } = block ?? { commands: 'false # the page has no such block' };
    followed.push(commands);
    const result = await factory.run(commands);
    expect(result.failures, `${commands}\n${result.stderr}\n${connector.log}`).toEqual([]);
    return result;
  }

  /** Runs what the page leaves to its reader. */
  async function prepare(machine: Pick<Sandbox, 'run'>, commands: string): Promise<string> {
    const { failures, stdout, stderr } = await machine.run(commands);
    expect(failures, `${commands}\n${stdout}${stderr}\n${connector.log}`).toEqual([]);
    return stdout;
  }

  /** What a command that must fail says. */
  async function refused(machine: Pick<Sandbox, 'run'>, command: string): Promise<string> {
    const { failures, stdout, stderr } = await machine.run(command);
    expect(failures, stdout + stderr).toHaveLength(1);
    return stdout + stderr;
  }

  async function carry(file: string, from: Pick<Sandbox, 'run'>, to: Pick<Sandbox, 'run'>): Promise<void> {
    const homeOf = async (machine: Pick<Sandbox, 'run'>) => (await prepare(machine, 'cd; pwd')).trim();
    await copyFile(join(await homeOf(from), file), join(await homeOf(to), file));
  }

  const statusOf = (answer: { stderr: string }) => /^< HTTP\/1.1 (\d+)/m.exec(answer.stderr)?.[1];

  /** What the curl of the page is answered, for another certificate than that of the page. */
  async function answerTo(name: string): Promise<string> {
    const [, publish] = blocksOf('Connecting Device', { ...names, '<Device-name>': name });
    const answer = await factory.run(publish?.commands ?? 'false');
    return statusOf(answer) ?? 'closed';
  }

  /**
   * A second Client CA and a device certificate with the commands of the page, in files of other names. Both Client CAs
   * then have the same subject.
   */
  async function makeFleet(values: { authority: string; device: string }): Promise<void> {
    const other = {
      '<Key-name>': values.authority,
      '<Cert-name>': values.authority,
      '<Device-name>': values.device,
    };
    const [authority] = blocksOf('Configuration', { ...names, ...other });
    const [device] = blocksOf('Connecting Device', { ...names, ...other });
    await prepare(factory, `${authority?.commands}${device?.commands}`);
  }

  /** Kinds of events of the device, the oldest first. */
  async function timeline(): Promise<string[]> {
    const answer = await prepare(connector, 'tedge device timeline pump-17 --json');
    return timelinePage
      .parse(JSON.parse(answer))
      .events.map(({ type }) => type)
      .filter((type) => ['provisioned', 'data_in'].includes(type))
      .toReversed();
  }

  describe('Configuration', () => {
    it('starts with a connector that the network reaches, by a name the factory trusts', async () => {
      await prepare(
        connector,
        `tedge config set connector.bind.address 192.168.1.6
        tedge config set connector.bind.port 443
        tedge connector domain add ${domain}
        tedge connector save
        systemctl restart tedge-agent
        tedge ca export --output site.crt`,
      );
      await carry('site.crt', connector, factory);
      await prepare(factory, 'cp site.crt /usr/local/share/ca-certificates/\nupdate-ca-certificates');
      expect(connector.log).toContain('https://192.168.1.6:443/');
      expect(await prepare(factory, `curl --silent https://${domain}/timestamp`)).toMatch(/^\d{10}$/);
    });

    it('steps 2 and 3: enables self-provisioning, authentication by certificate, and PKI', async () => {
      expect(await prepare(connector, 'tedge connector provisioning --self on --auth certificate --pki on')).toContain(
        'Nothing of this is in force yet',
      );
    });

    it('step 4: makes a Client CA', async () => {
      const [authority] = blocksOf('Configuration');
      await follow(authority);
    });

    it('step 5, DECODE: shows what the certificate says, once it is carried to the connector', async () => {
      await carry('fleet-cert.pem', factory, connector);
      const said = await prepare(connector, 'tedge client-ca decode fleet-cert.pem');
      expect(said).toContain(`CN=${domain}`);
      expect(said).toContain('It can be added as a Client CA.');
    });

    it('step 5, SUBMIT: puts it in the draft, where it is not in force', async () => {
      await prepare(connector, 'tedge client-ca add fleet-cert.pem');
      const [makeDevice] = blocksOf('Connecting Device');
      await follow(makeDevice);
      expect(await answerTo('pump-17')).not.toBe('204');
      expect(await refused(connector, 'tedge device show pump-17')).toContain('Error: ');
    });

    it('step 5, SAVE: shows the difference, and puts all of it in force', async () => {
      expect(await prepare(connector, 'tedge connector diff')).toContain(`+ Client CA "${domain}" added\n`);
      await prepare(connector, 'tedge connector save');
      expect(await prepare(connector, 'tedge connector diff')).toBe('The draft of "default" changes nothing.\n');
    });
  });

  describe('Connecting Device', () => {
    const publish = () => blocksOf('Connecting Device')[1];

    it('provisions the device, and publishes, with its first request', async () => {
      expect(statusOf(await follow(publish()))).toBe('204');
      const shown = await prepare(connector, 'tedge device show pump-17');
      expect(shown).toMatch(/^State: +active$/m);
      expect(shown).toMatch(/ valid +[0-9a-f]{64}$/m);
      expect(shown).toMatch(/ data_in +https +192\.168\.1\.7 +temperature=50$/m);
    });

    it('tells what happened in this order: provisioned, then data_in', async () => {
      expect(await timeline()).toEqual(['provisioned', 'data_in']);
    });

    it('knows the device when the same command runs again, and provisions nothing', async () => {
      expect(statusOf(await follow(publish()))).toBe('204');
      expect(await timeline()).toEqual(['provisioned', 'data_in', 'data_in']);
    });
  });

  describe('the notes of the page', () => {
    it('note 2: a certificate of another CA gets in nowhere', async () => {
      await makeFleet({ authority: 'other', device: 'pump-18' });
      expect(await answerTo('pump-18')).not.toBe('204');
      await refused(connector, 'tedge device show pump-18');
    });

    it('note 1: there may be several Client CAs, all with the name that the page gives them', async () => {
      await carry('other-cert.pem', factory, connector);
      await prepare(connector, 'tedge client-ca add other-cert.pem --label other\ntedge connector save --yes');
      expect(await answerTo('pump-18')).toBe('204');
      expect(await answerTo('pump-17')).toBe('204');
    });

    it('may stop at SAVE: it says how many devices it concerns, and turns nobody away before that', async () => {
      await prepare(connector, 'tedge client-ca disable other --cut-now');
      expect(await refused(connector, 'tedge connector save')).toContain('the draft concerns 1 device');
      expect(await answerTo('pump-18')).toBe('204');
      await prepare(connector, 'tedge connector save --yes');
      expect(await answerTo('pump-18')).not.toBe('204');
      expect(await answerTo('pump-17')).toBe('204');
    });
  });

  it('leaves out no command of the page', () => {
    const linesOf = (text: string) => text.split('\n').map((line) => line.trim());
    const commands = linesOf(filledIn(document, names)).filter((line) => /^(?:openssl|curl) /.test(line));
    const done = new Set(linesOf(followed.join('')));

    expect(commands).toHaveLength(4);
    expect(commands.filter((line) => !done.has(line))).toEqual([]);
  });
});
