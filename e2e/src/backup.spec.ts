import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from './device.js';
import { type CommandResult, cliBundle, System, succeeded } from './system.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The commands of docs/backup.md, in the order of the page, run as the page has them. */
class Guide {
  private constructor(private readonly blocks: readonly string[]) {}

  static async read(): Promise<Guide> {
    const page = await readFile(`${root}docs/backup.md`, 'utf8');
    return new Guide([...page.matchAll(/^ *```sh\n([\s\S]*?)^ *```$/gm)].map(([, text = '']) => text));
  }

  /** Runs the block with a command in it, where the backup and the passphrase are in the working directory. */
  run(system: System, part: string): Promise<CommandResult> {
    const block = this.blocks.find((text) => text.includes(part));
    if (block === undefined) throw new Error(`docs/backup.md has no command ${part}`);
    const npx = `npx() { shift; '${process.execPath}' --disable-warning=DEP0169 '${cliBundle}' "$@"; }`;
    return system.run('bash', ['-ec', `${npx}\n${block}`]);
  }
}

const stateOf = async (system: System, name: string): Promise<unknown> => {
  const { state } = JSON.parse(succeeded(await system.sallyport('device', 'show', name, '--json')));
  return state;
};

const renew = (system: System, { directory }: Device) =>
  system.sallyport('cert', 'renew', '--config-dir', directory, '--url', system.estUrl);

describe('a site with a backup, as docs/backup.md has it', () => {
  let [guide, site, other]: [Guide?, System?, System?] = [];
  beforeAll(async () => {
    guide = await Guide.read();
    site = await System.start();
  });
  afterAll(async () => {
    for (const system of [site, other]) await system?.stop();
  });
  const here = () => required(site);

  let [kept, stolen, late]: Device[] = [];

  it('is backed up while devices enrol', async () => {
    [kept, stolen] = [await here().enrol('kept'), await here().enrol('stolen')];
    await writeFile(`${here().directory}/passphrase`, 'a horse on a staircase\n');
    const [, backup] = await Promise.all([
      Promise.all([1, 2, 3].map((number) => here().enrol(`busy${number}`))),
      required(guide).run(here(), 'sallyport backup'),
    ]);
    expect(succeeded(backup)).toContain('The backup is complete and can be read.');
  });

  it('remembers on the same machine what happened since', async () => {
    late = await here().enrol('late');
    succeeded(await renew(here(), required(kept)));
    succeeded(await here().sallyport('device', 'revoke', 'stolen'));
    succeeded(await here().sallyport('device', 'lock', 'busy1'));
    expect((await required(guide).run(here(), 'sallyport restore site.backup --pass')).stderr).toContain('still run');
    await here().interrupt();
    succeeded(await required(guide).run(here(), 'sallyport restore site.backup --pass'));
    await here().resume();
    expect(await stateOf(here(), 'stolen')).toBe('revoked');
    expect(await stateOf(here(), 'busy1')).toBe('locked');
    for (const device of [kept, late]) succeeded(await renew(here(), required(device)));
    expect((await renew(here(), required(stolen))).code).not.toBe(0);
  });

  it('says so in the log and in the doctor, until somebody has acknowledged it', async () => {
    expect(here().log).toContain('the store was an older copy');
    expect((await required(guide).run(here(), 'sallyport doctor')).stdout).toContain('was an older copy');
    succeeded(await required(guide).run(here(), 'audit acknowledge'));
    expect((await required(guide).run(here(), 'sallyport doctor')).stdout).not.toContain('was an older copy');
    succeeded(await here().sallyport('audit', 'verify'));
  });

  it('comes back on another machine with other ports, where its devices renew and published revocations hold', async () => {
    const crl = await here().run('bash', ['-c', crlCommand(here())]);
    expect(succeeded(crl)).toContain('device.crl');
    other = await System.start();
    await other.interrupt();
    await here().interrupt();
    const file = `${here().directory}/site.backup`;
    const args = ['--passphrase-file', `${here().directory}/passphrase`, '--crl', `${here().directory}/device.crl`];
    expect(succeeded(await other.sallyport('restore', file, ...args))).toContain('Now start the services.');
    await other.resume();
    for (const device of [kept, late]) succeeded(await renew(other, required(device)));
    expect((await renew(other, required(stolen))).code).not.toBe(0);
    succeeded(await other.sallyport('audit', 'verify'));
  });
});

/** Fetches the CRL that the certificate of a device names. */
function crlCommand({ ports }: System): string {
  return `id=$(openssl x509 -in stolen/device-certs/tedge-certificate.pem -noout -ext crlDistributionPoints | grep -o '/crl/[^ ]*') &&
    curl -sSf -o device.crl http://localhost:${ports.pkiPublic}$id && ls device.crl`;
}

function required<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('an earlier step has failed');
  return value;
}
