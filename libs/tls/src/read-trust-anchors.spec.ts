import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { forge, forgeCa, forgeDevice, newRsaKeys, pemOf } from './fixtures/forge.js';
import { get, identity, mutual, Site } from './fixtures/site.js';
import { readTrustAnchors } from './index.js';

const site = new Site(onTestFinished);
const past = new Date('2026-01-02T03:04:05Z');

async function directoryOf(files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-ca-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content);
  return directory;
}

describe('trusted CAs from a path', () => {
  it('are every certificate of one file', async () => {
    const [a, b] = [forgeCa('a'), forgeCa('b')];
    const directory = await directoryOf({ 'bundle.pem': `some words\n${a.pem}${b.pem}` });

    const anchors = await readTrustAnchors(join(directory, 'bundle.pem'));

    expect(anchors.certificates.map(({ subject }) => subject.text)).toEqual(['CN=a', 'CN=b']);
    expect(anchors.warnings).toEqual([]);
  });

  it('are every file of a directory, whatever its extension, in the order of the names', async () => {
    const directory = await directoryOf({ 'b.crt': forgeCa('b').pem, a: forgeCa('a').pem });

    const anchors = await readTrustAnchors(directory);

    expect(anchors.certificates.map(({ subject }) => subject.text)).toEqual(['CN=a', 'CN=b']);
  });

  it.each<[string, () => string, string | RegExp]>([
    ['garbage', () => 'garbage', 'bad.pem: ignored, holds no PEM certificate'],
    [
      'a damaged certificate',
      () => forgeCa('a').pem.replace(/\n.{8}/, '\nAAAAAAAA'),
      /^bad\.pem: ignored, .*(?:certificate|Certificate)/,
    ],
    [
      'a private key pasted by mistake',
      () => forgeCa('a').keyPem,
      'bad.pem: holds a private key, which does not belong among trusted CAs. Move it away: everybody who can read it can pose as its owner',
    ],
    [
      'an expired CA',
      () => forgeCa('a', { notAfter: past }).pem,
      'bad.pem: ignored, "CN=a" expired 2026-01-02T03:04:05.000Z',
    ],
    [
      'a leaf',
      () => forgeDevice('dev-1', forgeCa('a')).pem,
      'bad.pem: ignored, "CN=dev-1" is not a CA certificate (CA:FALSE); trusting it would let it vouch for itself for ever. Add the CA that issued it',
    ],
    [
      'a weak CA',
      () => forgeCa('a', { keys: newRsaKeys(1024) }).pem,
      'bad.pem: ignored, "CN=a" has an RSA key of 1024 bits; 2048 or more are needed',
    ],
    [
      'a revocation list',
      () => '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n',
      'bad.pem: a revocation list (CRL) ignored',
    ],
  ])('leave out %s, and say so by name', async (_, content, warning) => {
    const directory = await directoryOf({ 'bad.pem': content(), 'good.pem': forgeCa('good').pem });

    const anchors = await readTrustAnchors(directory);

    expect(anchors.certificates.map(({ subject }) => subject.text)).toEqual(['CN=good']);
    expect(anchors.warnings).toHaveLength(1);
    expect(anchors.warnings[0]).toMatch(warning);
  });

  it('leave out what is no file, and never wait for a pipe', async () => {
    const directory = await directoryOf({ 'good.pem': forgeCa('good').pem });
    await mkdir(join(directory, 'sub'));
    await symlink(join(directory, 'gone'), join(directory, 'dangling.pem'));
    await promisify(execFile)('mkfifo', [join(directory, 'pipe')]);

    const anchors = await readTrustAnchors(directory);

    expect(anchors.certificates).toHaveLength(1);
    expect(anchors.warnings).toEqual([
      'dangling.pem: ignored, cannot be read (ENOENT)',
      'pipe: ignored, is not a regular file',
      'sub: ignored, is a directory, and only files are read',
    ]);
  });

  it('count a CA once, and name the copy', async () => {
    const ca = forgeCa('a');
    const directory = await directoryOf({ 'a.pem': ca.pem, 'copy.pem': ca.pem });

    const anchors = await readTrustAnchors(directory);

    expect(anchors.certificates).toHaveLength(1);
    expect(anchors.warnings).toEqual(['copy.pem: ignored, the same CA as a.pem']);
  });

  it('pass over the links c_rehash makes beside the files, and hidden names', async () => {
    const directory = await directoryOf({ 'a.pem': forgeCa('a').pem, '.hidden': 'garbage' });
    await symlink('a.pem', join(directory, '0a1b2c3d.0'));

    const anchors = await readTrustAnchors(directory);

    expect(anchors.certificates).toHaveLength(1);
    expect(anchors.warnings).toEqual([]);
  });

  it('must hold at least one: an empty directory is refused', async () => {
    const directory = await directoryOf({});

    await expect(readTrustAnchors(directory)).rejects.toMatchObject({
      type: 'config-invalid',
      message: `There is no usable CA certificate at ${directory}, so no client could ever be trusted. It is empty. Put at least one CA certificate in PEM format there.`,
    });
  });

  it('must hold at least one: a directory of nothing but an expired CA is refused with the reason', async () => {
    const directory = await directoryOf({ 'old.pem': forgeCa('old', { notAfter: past }).pem });

    await expect(readTrustAnchors(directory)).rejects.toThrow(
      'Found: old.pem: ignored, "CN=old" expired 2026-01-02T03:04:05.000Z.',
    );
  });

  it('are refused with the reason when the path does not exist', async () => {
    const directory = await directoryOf({});

    await expect(readTrustAnchors(join(directory, 'gone'))).rejects.toMatchObject({
      type: 'config-invalid',
      message: `The trusted CAs at ${join(directory, 'gone')} cannot be read (ENOENT).`,
    });
  });

  it('stop listing faults after a hundred', async () => {
    const files = Object.fromEntries(Array.from({ length: 120 }, (_, index) => [`${1000 + index}`, 'garbage']));
    const directory = await directoryOf({ ...files, 'good.pem': forgeCa('good').pem });

    const { warnings } = await readTrustAnchors(directory);

    expect(warnings).toHaveLength(101);
    expect(warnings.at(-1)).toBe('20 more warnings left out');
  });
});

describe('a directory of 10,000 CAs', () => {
  it('is read, loaded and used without stalling the service, though its names do not fit into a handshake', async () => {
    const template = forgeCa('Vendor CA number 00000');
    const { listener, port, warnings } = await site.openListener(mutual([forgeCa('former')]));
    const directory = await directoryOf({});
    // Nobody looks at the signature of a root, so its name may change under it.
    const renamed = Array.from({ length: 10_000 }, (_, index) => ({
      file: join(directory, `${index}.pem`),
      pem: pemOf(Buffer.from(template.der.toString('latin1').replaceAll('00000', String(10_000 + index)), 'latin1')),
    }));
    for (const { file, pem } of renamed) writeFileSync(file, pem);
    const issuer = forge({ subject: 'Vendor CA number 17777', ca: true, keys: template.keys });
    const device = identity(forgeDevice('dev-1', issuer));

    const turns = countTurns();
    const ca = await readTrustAnchors(directory);
    const turnsWhileReading = turns.count;
    await listener.reload(mutual([], { ca }));
    turns.stop();

    expect(ca.certificates).toHaveLength(10_000);
    expect((await get(`https://127.0.0.1:${port}/a`, device)).body).toBe('served /a');
    expect(warnings).toEqual([
      'the names of 10000 trusted CAs do not fit into a TLS handshake, so none is sent and the listener speaks TLS 1.2 only; trust fewer CAs to have TLS 1.3 and the hybrid key exchange',
    ]);
    // Reading and loading take a second or more of work, in stretches of about 10 ms.
    expect(turnsWhileReading).toBeGreaterThan(20);
    expect(turns.count - turnsWhileReading).toBeGreaterThan(20);
  }, 120_000);
});

/** Counts the turns of the event loop: a second of work in one stretch would be one. */
function countTurns() {
  let isCounting = true;
  const turns = {
    count: 0,
    stop: () => {
      isCounting = false;
    },
  };
  const next = () => {
    turns.count += 1;
    if (isCounting) setImmediate(next);
  };
  setImmediate(next);
  return turns;
}
