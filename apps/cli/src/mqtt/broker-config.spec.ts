import { createPrivateKey } from 'node:crypto';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { mustRun, runProgram, startDaemon, TestCa, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { buildCrl, certificatesFromPem, pemFromDer } from '@sallyport/x509';
import { describe, expect, it, onTestFinished } from 'vitest';
import { runSallyport } from '../fixtures/run-sallyport.fixture.js';

/** A machine with these settings, and the certificates of a broker and its clients. */
async function machine(settings: (at: Awaited<ReturnType<typeof certificates>>) => readonly string[] = () => []) {
  const directory = temporaryDirectory();
  onTestFinished(() => directory.remove());
  const files = await certificates(directory.file('crl.pem'));
  await writeFile(directory.file('tedge.toml'), '');
  await writeFile(directory.file('sallyport.toml'), '');
  const run = (...args: string[]) =>
    runSallyport(['--config-dir', directory.path, 'mqtt', 'broker-config', ...args], { cwd: directory.path });
  const set = (key: string, value: string) =>
    runSallyport(['--config-dir', directory.path, 'config', 'set', key, value], { cwd: directory.path });
  for (const line of settings(files)) {
    const [key = '', value = ''] = line.split(' = ');
    await set(key, value);
  }
  return { directory, files, run, set };
}

async function certificates(crlPath: string) {
  const ca = await TestCa.create();
  onTestFinished(() => ca[Symbol.asyncDispose]());
  const broker = await ca.issue({ commonName: 'mqtt-broker', subjectAltNames: ['DNS:localhost'] });
  const [issuer] = certificatesFromPem(ca.certPem);
  if (issuer === undefined) throw new Error('no CA');
  const [thisUpdate, nextUpdate] = [new Date(Date.now() - 60_000), new Date(Date.now() + 3_600_000)];
  const privateKey = createPrivateKey(ca.certificate.keyPem);
  const crl = buildCrl({ issuer, privateKey, crlNumber: 1n, thisUpdate, nextUpdate, entries: [] });
  await writeFile(crlPath, pemFromDer('X509 CRL', crl));
  return { ca, broker, crlPath };
}

const mutual = ({ ca, broker, crlPath }: Awaited<ReturnType<typeof certificates>>) => [
  `mqtt.bind.cert_file = ${broker.certPath}`,
  `mqtt.bind.key_file = ${broker.keyPath}`,
  `mqtt.bind.ca_path = ${ca.certPath}`,
  `pki.crl.file = ${crlPath}`,
];

/** Starts Mosquitto with the files as they are, but for places that only root may use. */
async function startMosquitto(folder: string) {
  const path = `${folder}/mosquitto.conf`;
  await mkdir(`${folder}/state`, { recursive: true });
  const text = (await readFile(path, 'utf8'))
    .replace('user mosquitto', `user ${process.getuid?.() === 0 ? 'root' : 'mosquitto'}`)
    .replace(
      /\/(run\/mosquitto-sallyport|run\/mosquitto|var\/log\/mosquitto|var\/lib\/mosquitto)\//g,
      `${folder}/state/`,
    );
  const daemon = await startDaemon({
    program: 'mosquitto',
    args: async (port) => {
      // Without a port of its own, one more listener shows when Mosquitto is ready.
      const own = text.replace(/^listener 1883 /m, `listener ${port} `);
      const probe = own === text ? `\nlistener ${port} 127.0.0.1\n` : '';
      await writeFile(`${folder}/started.conf`, own + probe);
      return ['-c', `${folder}/started.conf`];
    },
  });
  onTestFinished(() => daemon.stop());
  return { daemon, socket: `${folder}/state/broker.sock` };
}

const v5 = ['-V', '5', '-q', '1', '-m', 'x'];

describe('mqtt broker-config', () => {
  it('makes a Mosquitto that only door and services reach, with the rights of the access table', async () => {
    const { directory, run } = await machine();
    const { stdout, exitCode } = await run('--level', 'mutual', '--output', 'made');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      /sallyport --config-dir \S+ config set mqtt.broker.url unix:\/run\/mosquitto-sallyport\/broker.sock/,
    );
    const folder = directory.file('made');
    for (const name of ['mosquitto.conf', 'sallyport.acl'])
      expect(((await stat(`${folder}/${name}`)).mode & 0o777).toString(8)).toBe('640');
    const { socket } = await startMosquitto(folder);
    const publish = async (user: string[], topic: string) =>
      (await runProgram('mosquitto_pub', ['--unix', socket, ...user, '-t', topic, ...v5])).stderr;
    expect(await publish(['-u', 'child01'], 'te/device/child01/x')).toBe('');
    expect(await publish(['-u', 'child01'], 'te/device/child02/x')).toContain('Not authorized');
    expect(await publish(['-u', 'service/device-registry'], 'sallyport/v1/event/device-changed')).toBe('');
    expect(await publish([], 'te/device/child01/x')).toContain('Not authorized');
  });

  it.each(['plain', 'server'])(
    'makes a Mosquitto for all clients at level %s, which keeps them off the services',
    async (level) => {
      const { directory, files, run } = await machine(mutual);
      expect((await run('--level', level, '--direct', '--output', 'made')).exitCode).toBe(0);
      const { daemon, socket } = await startMosquitto(directory.file('made'));
      const tls = level === 'plain' ? [] : ['--cafile', files.ca.certPath];
      const place = ['-h', 'localhost', '-p', String(daemon.port), ...tls];
      const publish = async (...args: string[]) => (await runProgram('mosquitto_pub', [...args, ...v5])).stderr;
      expect(await publish(...place, '-t', 'anything')).toBe('');
      expect(await publish(...place, '-u', 'somebody', '-t', 'anything')).toBe('');
      for (const user of [[], ['-u', 'service/device-registry']])
        expect(await publish(...place, ...user, '-t', 'sallyport/v1/event/device-changed')).toContain('Not authorized');
      const service = ['--unix', socket, '-u', 'service/device-registry'];
      expect(await publish(...service, '-t', 'sallyport/v1/event/device-changed')).toBe('');
    },
  );

  it('makes a Mosquitto that asks clients for certificates, also for a device with an agent of thin-edge.io', async () => {
    const { directory, files, run } = await machine(mutual);
    const made = await run('--level', 'mutual', '--direct', '--output', 'made', '--device', 'child01');
    expect(made).toMatchObject({ exitCode: 0 });
    const { daemon } = await startMosquitto(directory.file('made'));
    const { certPath, keyPath } = await files.ca.issue({ commonName: 'child01', extendedKeyUsage: 'clientAuth' });
    const place = ['-h', 'localhost', '-p', String(daemon.port), '--cafile', files.ca.certPath];
    const as = [...place, '--cert', certPath, '--key', keyPath, '-i', 'tedge-agent#te/device/child01//'];
    const publish = async (topic: string) => (await runProgram('mosquitto_pub', [...as, '-t', topic, ...v5])).stderr;
    expect(await publish('te/device/child01/x')).toBe('');
    expect(await publish('te/device/child02/x')).toContain('Not authorized');
    expect(await publish('$CONTROL/dynamic-security/v1')).toContain('Not authorized');
    expect((await runProgram('mosquitto_pub', [...place, '-t', 'a', ...v5])).exitCode).not.toBe(0);
  });

  it.each([
    ['plain', 'mqtt.bind.address', '0.0.0.0', 'At level plain everybody who reaches 0.0.0.0 would use all topics.'],
    ['server', 'mqtt.bind.key_file', '/nowhere', 'they do not pair.'],
    ['mutual', 'pki.crl.file', '/nowhere', 'with such a file Mosquitto refuses every client'],
  ])('makes nothing at level %s when %s is %s', async (level, key, value, reason) => {
    const { directory, run, set } = await machine(mutual);
    await set(key, value);
    const { exitCode, stderr } = await run('--level', level, '--direct', '--output', 'made');
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(reason)]);
    await expect(stat(directory.file('made'))).rejects.toThrow('ENOENT');
  });

  it('does not take a leaf for the CA of the clients: Mosquitto would start, and refuse everybody', async () => {
    const { files, run, set } = await machine(mutual);
    await set('mqtt.bind.ca_path', files.broker.certPath);
    const { stderr } = await run('--level', 'mutual', '--direct', '--output', 'made');
    expect(stderr).toContain('holds a certificate; Mosquitto needs one file with the root');
  });

  it('makes with --durable a Mosquitto that saves before the entrance passes on, and says the price', async () => {
    const { directory, run } = await machine();
    const { stdout, exitCode } = await run('--level', 'mutual', '--durable', '--output', 'made');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/\n {2}sallyport --config-dir \S+ config set mqtt.broker.waits_for_save true\n/);
    expect(stdout).toContain('about 1,900 messages a second');
    const folder = directory.file('made');
    const { socket } = await startMosquitto(folder);
    const place = ['--unix', socket, '-u', 'child01', '-t', 'te/device/child01/x', '-q', '1'];
    await mustRun('mosquitto_sub', [...place, '-i', 'away', '-c', '-E']);
    await mustRun('mosquitto_pub', [...place, '-m', 'what a crash must not take']);
    // Long before the ten seconds of the other configuration.
    const saved = async () => (await readFile(`${folder}/state/mosquitto.db`, 'latin1')).includes('a crash must not');
    await waitFor(saved, { deadlineMs: 5_000 });
  });

  it('says without --durable what a crash of Mosquitto costs', async () => {
    const { run } = await machine();
    const { stdout } = await run('--level', 'mutual', '--output', 'made');
    expect(stdout).toContain('loses the messages of the last 10 seconds, also acknowledged ones');
    expect(stdout).not.toContain('waits_for_save');
  });

  it('makes no --durable Mosquitto for clients that do not come through the entrance', async () => {
    const { directory, run } = await machine(mutual);
    const { exitCode, stderr } = await run('--level', 'mutual', '--direct', '--durable', '--output', 'made');
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('cannot be used with option --direct')]);
    await expect(stat(directory.file('made'))).rejects.toThrow('ENOENT');
  });

  it('writes the syntax of Mosquitto 2.1 on request', async () => {
    const { run } = await machine(mutual);
    const door = (await run('--level', 'mutual', '--for', '2.1')).stdout;
    expect(door).toContain('listener_allow_anonymous true\nplugin_use sallyport');
    expect(door).not.toMatch(/^(acl_file|per_listener_settings|allow_anonymous)/m);
    const direct = (await run('--level', 'mutual', '--direct', '--for', '2.1')).stdout;
    expect(direct).toMatch(
      /^global_plugin .*mosquitto_acl_file.so\nplugin_opt_acl_file \/etc\/mosquitto\/sallyport\/sallyport.acl$/m,
    );
  });
});

type Option = 'cafile' | 'certfile' | 'keyfile';
const permutations: readonly (readonly [Option, Option, Option])[] = [
  ['certfile', 'keyfile', 'cafile'],
  ['certfile', 'cafile', 'keyfile'],
  ['keyfile', 'certfile', 'cafile'],
  ['keyfile', 'cafile', 'certfile'],
  ['cafile', 'keyfile', 'certfile'],
];

describe('mqtt broker-config --check', () => {
  async function checked(lines: (files: Awaited<ReturnType<typeof certificates>>) => readonly string[]) {
    const { directory, files, run } = await machine();
    await mkdir(directory.file('conf.d'));
    await writeFile(directory.file('mosquitto.conf'), `persistence false\ninclude_dir ${directory.file('conf.d')}\n`);
    const included = directory.file('conf.d', 'tls.conf');
    await writeFile(included, `${lines(files).join('\n')}\n`);
    return { files, included, check: () => run('--check', 'mosquitto.conf'), file: directory.file('mosquitto.conf') };
  }

  const mutualLines = ({ crlPath }: { crlPath: string }) => [
    'listener 8883',
    'allow_anonymous false',
    'require_certificate true',
    'use_identity_as_username true',
    `crlfile ${crlPath}`,
    `acl_file ${crlPath}`,
  ];

  it.each(permutations)(
    'finds that cafile, certfile and keyfile name the files of %s, %s and %s, and mends it',
    async (...names) => {
      const { files, included, check } = await checked((all) => {
        const path = { cafile: all.ca.certPath, certfile: all.broker.certPath, keyfile: all.broker.keyPath };
        const [cafile, certfile, keyfile] = names;
        const named = [`cafile   ${path[cafile]}`, `certfile ${path[certfile]}`, `keyfile  ${path[keyfile]}`];
        return [...mutualLines(all), ...named];
      });
      const { stdout, exitCode } = await check();
      expect(exitCode).toBe(1);
      const { ca, broker } = files;
      expect(stdout).toContain(`${included}, line 7: the files are in each other's place`);
      expect(stdout).toContain(
        `The right lines are: cafile ${ca.certPath} | certfile ${broker.certPath} | keyfile ${broker.keyPath}`,
      );
      const kinds = { cafile: 'a CA certificate', certfile: 'a certificate', keyfile: 'a private key' };
      expect(stdout).toMatch(
        new RegExp(`cafile \\(.*\\) holds ${kinds[names[0]]}, certfile \\(.*\\) holds ${kinds[names[1]]}`),
      );
      await mustRun('sh', ['-c', /mend it: (.*)/.exec(stdout)?.[1] ?? 'false']);
      expect((await check()).stdout).toMatch(/^ok /);
    },
  );

  it('finds nothing wrong with files in the right places', async () => {
    const { check } = await checked((all) => [
      ...mutualLines(all),
      `cafile ${all.ca.certPath}`,
      `certfile ${all.broker.certPath}`,
      `keyfile ${all.broker.keyPath}`,
    ]);
    expect((await check()).stdout).toMatch(/^ok /);
  });

  it('finds that certfile and keyfile of a listener without cafile are exchanged', async () => {
    const { check, files } = await checked(({ broker }) => [
      'listener 8883',
      'allow_anonymous false',
      'password_file /etc/mosquitto/passwords',
      `certfile ${broker.keyPath}`,
      `keyfile  ${broker.certPath}`,
    ]);
    const { stdout } = await check();
    expect(stdout).toContain(
      `The right lines are: certfile ${files.broker.certPath} | keyfile ${files.broker.keyPath}`,
    );
    await mustRun('sh', ['-c', /mend it: (.*)/.exec(stdout)?.[1] ?? 'false']);
    expect((await check()).stdout).toMatch(/^ok /);
  });

  it.each([
    [
      ['listener 8883', 'use_identity_as_username true'],
      'use_identity_as_username has no effect without require_certificate.',
    ],
    [['require_certificate true', 'listener 8883'], 'stands above every "listener"'],
    [['listener 8883', 'require_certificate true'], 'nothing gives them a user name'],
    [
      [
        'listener 1883 ::1',
        'allow_anonymous true',
        'listener 8883',
        'allow_anonymous false',
        'require_certificate true',
      ],
      'nothing gives them a user name',
    ],
    [
      ['listener 8883', 'require_certificate true', 'use_identity_as_username true'],
      'a revoked certificate is still accepted',
    ],
    [
      ['listener 8883', 'require_certificate true', 'use_identity_as_username true'],
      'every client may use every topic',
    ],
    [['listener 1883', 'allow_anonymous true'], 'everybody who reaches port 1883 on all addresses may connect'],
    [['listener 8883'], 'every client is refused, because nothing says how it may prove itself'],
    [['listener 1883', 'acl_file /nowhere/acl'], 'acl_file names /nowhere/acl, and there is no such file'],
  ])('warns of %j', async (lines, reason) => {
    const { check } = await checked(() => lines);
    const { stdout, exitCode } = await check();
    expect([exitCode, stdout]).toEqual([1, expect.stringContaining(reason)]);
  });

  it('finds a leaf as cafile, with which Mosquitto starts and refuses everybody', async () => {
    const { check } = await checked((all) => [
      ...mutualLines(all),
      `cafile ${all.broker.certPath}`,
      `certfile ${all.broker.certPath}`,
      `keyfile ${all.broker.keyPath}`,
    ]);
    expect((await check()).stdout).toContain('holds a certificate, and not only CA certificates');
  });

  it('mends a leaf as cafile: exports the CA of the site and lets the line name it', async () => {
    const { included, check } = await checked((all) => [
      ...mutualLines(all),
      `cafile ${all.broker.certPath}`,
      `certfile ${all.broker.certPath}`,
      `keyfile ${all.broker.keyPath}`,
    ]);
    const [, path, edit] = /ca export --output (\S+) && (sed .*)/.exec((await check()).stdout) ?? [];
    expect(path).toBe('/etc/mosquitto/ca_certificates/sallyport.pem');
    await mustRun('sh', ['-c', edit ?? 'false']);
    expect((await readFile(included, 'utf8')).split('\n')[6]).toBe(`cafile ${path}`);
  });

  it.each([
    ['is missing', async () => undefined, 'crlfile (CRL) cannot be read'],
    ['is empty', async (path: string) => writeFile(path, ''), 'crlfile (CRL) holds no revocation list'],
    ['has ended', async () => undefined, 'holds a list that ended'],
  ])('finds that the revocation list %s, with which Mosquitto refuses everybody', async (state, act, reason) => {
    const { directory, files } = await machine();
    const path = state === 'is missing' ? directory.file('none.pem') : files.crlPath;
    await act(path);
    await writeFile(directory.file('mosquitto.conf'), `${mutualLines({ crlPath: path }).join('\n')}\n`);
    const now = () => new Date(Date.now() + (state === 'has ended' ? 7_200_000 : 0));
    const words = ['--config-dir', directory.path, 'mqtt', 'broker-config', '--check', 'mosquitto.conf'];
    const { stdout, exitCode } = await runSallyport(words, { cwd: directory.path, now });
    expect([exitCode, stdout]).toEqual([1, expect.stringContaining(reason.replace('CRL', path))]);
  });

  it.each([
    ['mutual', []],
    ['mutual', ['--durable']],
    ['plain', ['--direct']],
    ['server', ['--direct']],
    ['mutual', ['--direct']],
  ])('finds nothing wrong with what broker-config makes at level %s %j', async (level, words) => {
    const { run } = await machine(mutual);
    expect((await run('--level', level, ...words, '--output', 'made')).exitCode).toBe(0);
    expect((await run('--check', 'made/mosquitto.conf')).stdout).toMatch(/^ok /);
  });

  it('says that there is no such file', async () => {
    const { run } = await machine();
    expect((await run('--check', 'nowhere.conf')).stderr).toContain('There is no file');
  });
});
