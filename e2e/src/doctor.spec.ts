import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TestCa } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CommandResult, System, succeeded } from './system.js';

const cli = fileURLToPath(new URL('../../apps/cli/dist/bundle/main.js', import.meta.url));

const expired = { notBefore: new Date('2001-01-01T00:00:00Z'), notAfter: new Date('2001-01-02T00:00:00Z') };

/** The report of the doctor about one problem. */
interface Finding {
  readonly what: string;
  readonly fix: string;
}

/** Every finding of a printed report: `error  CHECK: WHAT`, and below it `mend it: COMMAND`. */
function findingsIn(report: string): Finding[] {
  const pattern = /^(?:error|warning) +(.+)\n +mend it: (.+)$/gm;
  return [...report.matchAll(pattern)].map(([, what = '', fix = '']) => ({ what, fix }));
}

// Each test breaks a healthy site with a usual mistake, and runs the command that the doctor prints. Before and after
// each test the doctor finds no problem.
describe('the doctor', () => {
  let system: System;
  let programs: string;

  beforeAll(async () => {
    system = await System.start();
    programs = join(system.directory, 'bin');
    await mkdir(programs);
    // As an installed program is started. The doctor then calls it by its name.
    const script = `#!/bin/sh\nexec '${process.execPath}' --disable-warning=DEP0169 '${cli}' "$@"\n`;
    await writeFile(join(programs, 'sallyport'), script, { mode: 0o755 });
    succeeded(await system.sallyport('secure', 'mutual'));
  });

  afterAll(() => system.stop());

  /** Runs a command line in a shell. */
  const type = (line: string): Promise<CommandResult> =>
    system.run('sh', ['-c', `PATH='${programs}':"$PATH"\n${line}`]);
  const setting = async (key: string) => succeeded(await type(`sallyport config get ${key}`)).trim();
  const diagnose = async () => findingsIn((await type('sallyport doctor')).stdout);

  async function expectHealthy(): Promise<void> {
    const { code, stdout } = await type('sallyport doctor');
    expect({ code, findings: findingsIn(stdout) }).toEqual({ code: 0, findings: [] });
  }

  /** Runs each command of the doctor once. The site must then be healthy. */
  async function mend(findings: readonly Finding[]): Promise<void> {
    for (const fix of new Set(findings.map((finding) => finding.fix))) succeeded(await type(fix));
    await expectHealthy();
  }

  it('finds nothing wrong with a site that is secured', async () => {
    await expectHealthy();
  });

  it('sees that certificate and key are exchanged, and exchanges them back', async () => {
    const [cert, key] = [await setting('http.cert_path'), await setting('http.key_path')];
    succeeded(await type(`sallyport config set http.cert_path ${key} && sallyport config set http.key_path ${cert}`));
    const findings = await diagnose();
    expect(findings).toEqual([
      {
        what: `certificate files of the listeners: The files are exchanged: http.cert_path (${key}) holds a private key, http.key_path (${cert}) holds a certificate.`,
        fix: `sallyport config set http.cert_path ${cert} && sallyport config set http.key_path ${key}`,
      },
    ]);
    await mend(findings);
  });

  it('sees that the CA is a stranger, and lets the site choose', async () => {
    await using ca = await TestCa.create();
    succeeded(await type(`sallyport config set http.ca_path ${ca.certPath}`));
    const findings = await diagnose();
    expect(findings).toEqual([
      {
        what: `trusted CAs of the listeners: http.ca_path (${ca.certPath}) does not hold the CA of this site, so no device enrolled here is let in.`,
        fix: 'sallyport config unset http.ca_path && sallyport secure mutual',
      },
    ]);
    await mend(findings);
  });

  it('sees that everybody may read a key, and closes it', async () => {
    const key = await setting('http.key_path');
    await chmod(key, 0o644);
    const findings = await diagnose();
    expect(findings).toEqual([
      {
        what: `permissions of keys and secrets: ${key} can be used by other users of this machine (mode 0644).`,
        fix: `chmod 0600 ${key}`,
      },
    ]);
    await mend(findings);
  });

  it('sees that a certificate has expired, and replaces it', async () => {
    await using ca = await TestCa.create();
    const names = { commonName: 'localhost', subjectAltNames: ['DNS:localhost', 'IP:127.0.0.1'] };
    const { certPath, keyPath } = await ca.issue({ ...names, ...expired });
    succeeded(
      await type(`sallyport config set http.cert_path ${certPath} && sallyport config set http.key_path ${keyPath}`),
    );
    const findings = await diagnose();
    expect(findings).toEqual([
      {
        what: `dates of the certificates of the listeners: ${certPath} expired 2001-01-02T00:00:00.000Z.`,
        fix: 'sallyport config unset http.cert_path && sallyport config unset http.key_path && sallyport secure mutual',
      },
    ]);
    await mend(findings);
  });

  it("sees that the device's key belongs to another certificate, and enrols the device again", async () => {
    const other = await system.enrol('child02');
    const token = succeeded(await type('sallyport device enroll-token gateway01')).trim();
    succeeded(await type(`sallyport cert download --device-id gateway01 --one-time-password ${token}`));
    await expectHealthy();
    const key = await setting('device.key_path');
    await chmod(key, 0o600);
    await writeFile(key, await readFile(other.keyPath));
    const findings = await diagnose();
    expect(findings).toEqual([
      {
        what: `certificate of this device: ${key} is not the key of ${await setting('device.cert_path')}.`,
        fix: 'sallyport cert remove && sallyport cert download --device-id gateway01 --one-time-password "$(sallyport device enroll-token gateway01)"',
      },
    ]);
    await mend(findings);
  });

  it('sees that the services do not run, and says how to start them', async () => {
    await system.interrupt();
    const findings = await diagnose();
    expect(findings).toEqual([{ what: `services: No service runs on ${system.configDirectory}.`, fix: 'npm start' }]);
    // `npm start` works only in the folder of the project. It starts this program.
    await system.resume();
    await expectHealthy();
  });
});
