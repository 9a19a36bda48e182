import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { ServedFiles } from './served-files.fixture.js';

const run = promisify(execFile);

/** Runs curl; resolves to its output. */
async function curl(...args: string[]): Promise<string> {
  return (await run('curl', ['--silent', '--show-error', ...args])).stdout;
}

describe('curl, as thin-edge.io documents it', () => {
  it('puts a file with -F and gets the same bytes back', async () => {
    await using files = await ServedFiles.start();
    await using folder = temporaryDirectory();
    const path = join(folder.path, 'foo.txt');
    await writeFile(path, 'Hello thin-edge.io\n');
    const address = `${files.url}/tedge/file-transfer/foo.txt`;
    expect(await curl('-X', 'PUT', '-F', `file=@${path}`, address)).toBe('');
    expect(await curl(address)).toBe('Hello thin-edge.io\n');
    expect(await readFile(join(files.directory, 'foo.txt'), 'utf8')).toBe('Hello thin-edge.io\n');
  });

  it('puts 3 MiB with -F, after asking for 100 Continue, and gets the same bytes back', async () => {
    await using files = await ServedFiles.start();
    await using folder = temporaryDirectory();
    const path = join(folder.path, 'large.bin');
    const content = Buffer.alloc(3 * 1024 * 1024 + 7, '\r\n--------------------------abc');
    await writeFile(path, content);
    await curl('-X', 'PUT', '-F', `file=@${path}`, `${files.url}/te/v1/files/large.bin`);
    await curl('-o', `${path}.back`, `${files.url}/te/v1/files/large.bin`);
    expect((await readFile(`${path}.back`)).equals(content)).toBe(true);
  });

  it('puts a file with -T, and a stream with -T -', async () => {
    await using files = await ServedFiles.start();
    await using folder = temporaryDirectory();
    const path = join(folder.path, 'foo.txt');
    await writeFile(path, 'one');
    await curl('-T', path, `${files.url}/te/v1/files/a/b.txt`);
    expect(await curl(`${files.url}/te/v1/files/a/b.txt`)).toBe('one');
    const piped = run('curl', ['-sS', '-T', '-', `${files.url}/te/v1/files/piped`]);
    piped.child.stdin?.end('two');
    await piped;
    expect(await curl(`${files.url}/te/v1/files/piped`)).toBe('two');
  });

  it('resumes a broken download with -C', async () => {
    await using files = await ServedFiles.start();
    await using folder = temporaryDirectory();
    await files.put('/te/v1/files/foo', '0123456789');
    const path = join(folder.path, 'foo');
    await writeFile(path, '0123');
    await curl('-C', '-', '-o', path, `${files.url}/te/v1/files/foo`);
    expect(await readFile(path, 'utf8')).toBe('0123456789');
  });

  it('deletes with -X DELETE, and shows why a file is not there', async () => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/foo', 'x');
    expect(await curl('-w', '%{http_code}', '-X', 'DELETE', `${files.url}/te/v1/files/foo`)).toBe('202');
    expect(await curl('-w', ' %{http_code}', `${files.url}/te/v1/files/foo`)).toBe('File not found: "foo" 404');
  });

  it('leaves the root by no path, sent as it is', async () => {
    await using files = await ServedFiles.start();
    const answer = await curl('--path-as-is', '-w', ' %{http_code}', `${files.url}/te/v1/files/../../../../etc/passwd`);
    expect(answer).toBe('Invalid path: "../../../../etc/passwd" 404');
  });

  it('is told at once when its upload is too large', async () => {
    await using files = await ServedFiles.start({ maxUploadBytes: 10 });
    await using folder = temporaryDirectory();
    const path = join(folder.path, 'large.bin');
    await writeFile(path, Buffer.alloc(64 * 1024 * 1024));
    expect(await curl('-T', path, '-w', ' %{http_code}', `${files.url}/te/v1/files/large`)).toBe(
      '"large" is too large: the limit is 10 bytes a file (http.max_upload_size). 413',
    );
  });
});
