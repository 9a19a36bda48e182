import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmod,
  chown,
  lchown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeFolder, writeFileAtomic, writeStreamAtomic } from './index.js';

const isRoot = process.getuid?.() === 0;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kept-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const at = (name: string) => join(folder, name);
async function* pieces(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}
const shape = async (name: string) => {
  const { uid, gid, mode } = await stat(at(name));
  return { uid, gid, mode: mode & 0o777 };
};

describe('a file that is replaced stays as it was', () => {
  it.each([0o400, 0o440, 0o600, 0o640, 0o644])('with mode %o, whatever a new file would get', async (mode) => {
    await writeFile(at('key.pem'), 'old', { mode });
    await chmod(at('key.pem'), mode);
    await writeFileAtomic(at('key.pem'), 'new', 0o444);
    expect([await readFile(at('key.pem'), 'utf8'), (await shape('key.pem')).mode]).toEqual(['new', mode]);
  });

  it.runIf(isRoot)('with its owner and group, as a new one has those of its model', async () => {
    await writeFile(at('cert.pem'), 'old', { mode: 0o440 });
    await chown(at('cert.pem'), 61_001, 61_002);
    await writeFileAtomic(at('cert.pem'), 'new', 0o444);
    await writeFileAtomic(at('ca.pem'), 'new', { mode: 0o444, model: at('cert.pem') });
    const expected = { uid: 61_001, gid: 61_002, mode: 0o440 };
    expect([await shape('cert.pem'), await shape('ca.pem')]).toEqual([expected, expected]);
  });

  it('behind its symbolic links, also through a folder that is a link', async () => {
    await mkdir(at('real/certs'), { recursive: true });
    await writeFile(at('real/cert.pem'), 'old', { mode: 0o400 });
    await symlink('real/certs', at('certs'));
    await symlink('../cert.pem', at('real/certs/cert.pem'));
    await writeFileAtomic(at('certs/cert.pem'), 'new', 0o444);
    expect((await lstat(at('real/certs/cert.pem'))).isSymbolicLink()).toBe(true);
    expect([await readFile(at('real/cert.pem'), 'utf8'), (await shape('real/cert.pem')).mode]).toEqual(['new', 0o400]);
    expect(await readdir(at('real'))).toEqual(['cert.pem', 'certs']);
  });

  it('and a circle of links is called so', async () => {
    await symlink('b', at('a'));
    await symlink('a', at('b'));
    await expect(writeFileAtomic(at('a'), 'new', 0o444)).rejects.toMatchObject({ code: 'ELOOP', path: at('a') });
  });

  it('and a pipe is not replaced', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    const refused = { code: 'ENODEV', path: at('pipe') };
    await expect(writeFileAtomic(at('pipe'), 'new', 0o444)).rejects.toMatchObject(refused);
    await expect(writeStreamAtomic(at('pipe'), pieces('new'), 0o444)).rejects.toMatchObject(refused);
    expect((await lstat(at('pipe'))).isFIFO()).toBe(true);
  });

  it('and a stream goes where the link leads', async () => {
    await symlink('real', at('link'));
    await writeStreamAtomic(at('link'), pieces('new'), 0o600);
    expect((await lstat(at('link'))).isSymbolicLink()).toBe(true);
    expect(await readFile(at('real'), 'utf8')).toBe('new');
  });
});

describe.runIf(isRoot)('the link of a user', () => {
  beforeEach(async () => {
    await writeFile(at('theirs'), 'old');
    await chown(at('theirs'), 61_001, 61_001);
    await writeFile(at('shadow'), 'secret');
  });

  it('does not lead root to a file of somebody else', async () => {
    await symlink('shadow', at('cert.pem'));
    await lchown(at('cert.pem'), 61_001, 61_001);
    await expect(writeFileAtomic(at('cert.pem'), 'new', 0o444)).rejects.toMatchObject({
      code: 'EACCES',
      message: `EACCES: symbolic link of another user to ${at('shadow')}, write '${at('cert.pem')}'`,
    });
    expect(await readFile(at('shadow'), 'utf8')).toBe('secret');
  });

  it('leads root to a file of the same user', async () => {
    await symlink('theirs', at('cert.pem'));
    await lchown(at('cert.pem'), 61_001, 61_001);
    await writeFileAtomic(at('cert.pem'), 'new', 0o444);
    expect([await readFile(at('theirs'), 'utf8'), (await shape('theirs')).uid]).toEqual(['new', 61_001]);
  });
});

// Containers often permit no mounts.
const mayMount = isRoot && spawnSync('unshare', ['-m', 'true']).status === 0;

/** Runs a program of ours below mounts of its own. */
function belowMounts(mounts: string, program: string): string {
  const script = `import { registerHooks } from 'node:module';
    registerHooks({ resolve: (name, context, next) => next(name.replace(/^\\.(.*)\\.js$/, '.$1.ts'), context) });
    const { writeFileAtomic } = await import('${import.meta.dirname}/atomic-file.ts');
    const { makeFolder } = await import('${import.meta.dirname}/make-folder.ts');
    const { readFileSync, readdirSync } = await import('node:fs');
    const outcome = (work) => work.then((value) => value ?? 'written', ({ code, path }) => code + ' ' + path);
    ${program}`;
  const shell = `${mounts} && exec "$0" --disable-warning=ExperimentalWarning --input-type=module -e "$1"`;
  return execFileSync('unshare', ['-m', 'sh', '-c', shell, process.execPath, script], {
    cwd: folder,
    encoding: 'utf8',
  });
}

describe.runIf(mayMount)('a file system that cannot be written', () => {
  it('is called read-only, by the name of the file, and a mounted file is overwritten in place', async () => {
    await mkdir(at('read-only'));
    await writeFile(at('mounted'), 'old, and longer than the new one', { mode: 0o400 });
    const [shown] = [
      belowMounts(
        `mount -t tmpfs none read-only && echo old > read-only/file && echo old > read-only/key &&
         mount -o remount,ro read-only && mount --bind mounted read-only/key`,
        `console.log(JSON.stringify([
          await outcome(makeFolder('${folder}/read-only/a/b', 0o700)),
          await outcome(makeFolder('${folder}/read-only', 0o700)),
          await outcome(writeFileAtomic('${folder}/read-only/new', 'new', 0o400)),
          await outcome(writeFileAtomic('${folder}/read-only/file', 'new', 0o400)),
          await outcome(writeFileAtomic('${folder}/read-only/key', 'new', 0o444)),
          readFileSync('${folder}/read-only/key', 'utf8'),
          readdirSync('${folder}/read-only'),
        ]))`,
      ),
    ];
    expect(JSON.parse(shown)).toEqual([
      `EROFS ${at('read-only/a')}`,
      false,
      `EROFS ${at('read-only/new')}`,
      `EROFS ${at('read-only/file')}`,
      'written',
      'new',
      ['file', 'key'],
    ]);
    expect((await shape('mounted')).mode).toBe(0o400);
  });

  it('is called full, and what was there stays, also in a file mounted on its own', () => {
    const shown = belowMounts(
      `mkdir full && mount -t tmpfs -o size=64k none full && printf old > full/file && printf old > full/key &&
       mount --bind full/key full/key`,
      `const large = 'x'.repeat(200_000);
       console.log(JSON.stringify([
        await outcome(writeFileAtomic('${folder}/full/file', large, 0o400)),
        await outcome(writeFileAtomic('${folder}/full/key', large, 0o400)),
        await outcome(writeFileAtomic('${folder}/full/key', 'new', 0o400)),
        readFileSync('${folder}/full/file', 'utf8'),
        readFileSync('${folder}/full/key', 'utf8'),
        readdirSync('${folder}/full'),
      ]))`,
    );
    const full = `ENOSPC ${at('full/')}`;
    expect(JSON.parse(shown)).toEqual([`${full}file`, `${full}key`, 'written', 'old', 'new', ['file', 'key']]);
  });
});

describe('a folder', () => {
  it('is made with those above it, once', async () => {
    expect([await makeFolder(at('a/b/c'), 0o700), await makeFolder(at('a/b/c'), 0o700)]).toEqual([true, false]);
    expect((await shape('a/b')).mode).toBe(0o700);
  });

  it('is not made below a file, nor where no folder can be', async () => {
    await writeFile(at('file'), '');
    await expect(makeFolder(at('file/a'), 0o700)).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(makeFolder(at('file'), 0o700)).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(makeFolder('/proc/none/a', 0o700)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
