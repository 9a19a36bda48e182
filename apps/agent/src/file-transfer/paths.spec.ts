import { mkdir, readdir, readFile, rename, rm, rmdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { ServedFiles } from '../served-files.fixture.js';

/** A path as it is sent, and as the answer quotes it. */
const forbiddenPaths: readonly (readonly [string, string])[] = [
  ['../secret', '../secret'],
  ['../../../../etc/passwd', '../../../../etc/passwd'],
  ['a/../../secret', 'a/../../secret'],
  ['%2e%2e/secret', '../secret'],
  ['%2e%2e%2fsecret', '../secret'],
  ['..%2Fsecret', '../secret'],
  ['a/%2e%2e/%2e%2e/secret', 'a/../../secret'],
  ['..', '..'],
  ['/etc/passwd', '/etc/passwd'],
  ['%2Fetc%2Fpasswd', '/etc/passwd'],
  ['a%00b', 'a\\u0000b'],
  ['foo%00.txt', 'foo\\u0000.txt'],
  ['.tmp-x', '.tmp-x'],
  ['a/.tmp-0b7e/b', 'a/.tmp-0b7e/b'],
  ['%2etmp-x', '.tmp-x'],
];

describe('paths of the file transfer service', () => {
  it.each(forbiddenPaths)('answer 404 to %s on GET, PUT and DELETE', async (path, quoted) => {
    await using files = await ServedFiles.start();
    await writeFile(join(files.directory, '..', 'secret'), 'secret');
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const reply = await files.raw(
        `${method} /te/v1/files/${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx`,
      );
      expect(reply).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
      expect(reply.endsWith(`\r\n\r\nInvalid path: "${quoted}"`)).toBe(true);
    }
    expect(await files.entries()).toEqual([]);
    expect(await readFile(join(files.directory, '..', 'secret'), 'utf8')).toBe('secret');
  });

  it.each(['..%5c..%5ctedge.toml', '%5cetc%5cpasswd'])(
    'answer 404 to a GET of %s, which nobody stored',
    async (path) => {
      await using files = await ServedFiles.start();
      await writeFile(join(files.directory, '..', 'tedge.toml'), 'secret');
      const reply = await files.get(`/te/v1/files/${path}`);
      expect([reply.status, reply.text]).toEqual([404, `File not found: ${JSON.stringify(decodeURIComponent(path))}`]);
    },
  );

  it.each([
    ['a/../b', ['b']],
    ['./b', ['b']],
    ['a/./b', ['a', 'a/b']],
    ['a//b', ['a', 'a/b']],
    ['a%2Fb', ['a', 'a/b']],
    ['a%2fb%2F', ['a', 'a/b']],
    ['a/x/../b', ['a', 'a/b']],
    ['%61', ['a']],
    ['%2561', ['%61']],
    ['%zz%4', ['%zz%4']],
    ['gr%C3%BC%C3%9Fe', ['grüße']],
    ['a%20b%3F%23', ['a b?#']],
    ['..a', ['..a']],
    ['a..', ['a..']],
    ['...', ['...']],
    ['.tmp', ['.tmp']],
    ['x.tmp-1', ['x.tmp-1']],
    ["child'01=(,)-.?%25*_!@:x", ["child'01=(,)-."]],
    ['config_snapshot:a:b-1', ['config_snapshot:a:b-1']],
    ['a%5Cb.txt', ['a\\b.txt']],
    ['a\\b', ['a\\b']],
    // For Linux these are normal names: only "/" is a separator.
    ['%2e%2e%5csecret', ['..\\secret']],
    ['..\\..\\secret', ['..\\..\\secret']],
  ])('take %s for one place inside the root', async (path, entries) => {
    await using files = await ServedFiles.start();
    const put = await files.raw(
      `PUT /te/v1/files/${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nhere`,
    );
    expect(put).toMatch(/^HTTP\/1\.1 201 /);
    expect(await files.entries()).toEqual(entries);
    const got = await files.raw(`GET /te/v1/files/${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(got.endsWith('\r\n\r\nhere')).toBe(true);
  });

  it.each(['%ff', 'a/%C3', '%C3%28', '%ED%A0%80', '%C0%AE%C0%AE/secret'])(
    'answer 400 to %s, which is not UTF-8',
    async (path) => {
      await using files = await ServedFiles.start();
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const reply = await files.request(method, `/te/v1/files/${path}`);
        expect([reply.status, reply.text]).toEqual([400, `Path "${path}" is not UTF-8 after percent-decoding.`]);
      }
    },
  );

  it('take a name of 255 bytes and answer 400 to a longer one', async () => {
    await using files = await ServedFiles.start();
    expect((await files.put(`/te/v1/files/${'n'.repeat(255)}`, 'x')).status).toBe(201);
    for (const path of ['n'.repeat(256), `${'%C3%BC'.repeat(128)}/x`]) {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const reply = await files.request(method, `/te/v1/files/${path}`);
        expect(reply.status).toBe(400);
        expect(reply.text).toMatch(
          /^Path too long: ".+" has a part of more than 255 bytes, or more than 4096 bytes in all\. Use shorter names\.$/,
        );
      }
    }
  });

  it('answer 400 to a path of more than 4096 bytes', async () => {
    await using files = await ServedFiles.start();
    const path = Array.from({ length: 50 }, () => 'n'.repeat(100)).join('/');
    for (const method of ['GET', 'PUT', 'DELETE'])
      expect((await files.request(method, `/te/v1/files/${path}`)).status).toBe(400);
    expect(await files.entries()).toEqual([]);
  });

  it('take 32 parts, and answer 400 to more at once', async () => {
    await using files = await ServedFiles.start();
    const deepest = `${'a/'.repeat(31)}b`;
    expect((await files.put(`/te/v1/files/${deepest}`, 'x')).status).toBe(201);
    expect((await files.get(`/te/v1/files/${deepest}`)).text).toBe('x');
    for (const parts of [32, 1900]) {
      const path = `${'c/'.repeat(parts)}b`;
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const reply = await files.request(method, `/te/v1/files/${path}`);
        expect([reply.status, reply.text]).toEqual([400, `Path too deep: "${path}" has more than 32 parts.`]);
      }
    }
    expect((await files.entries())[0]).toBe('a');
    expect(await files.entries()).toHaveLength(32);
  });

  it('work again at once when somebody removed the root', async () => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/a', 'x');
    await rm(files.directory, { recursive: true });
    expect((await files.get('/te/v1/files/a')).status).toBe(404);
    expect((await files.put('/te/v1/files/b/c', 'x')).status).toBe(201);
    expect(await files.entries()).toEqual(['b', 'b/c']);
  });
});

describe('links below the root', () => {
  const outside = async () => {
    const folder = temporaryDirectory();
    await writeFile(join(folder.path, 'secret'), 'secret');
    await mkdir(join(folder.path, 'dir'));
    return folder;
  };

  it('to a file outside are not read, and are replaced and removed themselves', async () => {
    await using folder = await outside();
    await using files = await ServedFiles.start();
    await symlink(join(folder.path, 'secret'), join(files.directory, 'link'));
    expect((await files.get('/te/v1/files/link')).text).toBe('File not found: "link"');
    expect((await files.put('/te/v1/files/link', 'mine')).status).toBe(201);
    await symlink(join(folder.path, 'secret'), join(files.directory, 'other'));
    expect((await files.delete('/te/v1/files/other')).status).toBe(202);
    expect(await readFile(join(folder.path, 'secret'), 'utf8')).toBe('secret');
  });

  it('in the place of the root lead nowhere', async () => {
    await using files = await ServedFiles.start();
    await rename(files.directory, `${files.directory}-moved`);
    await symlink(`${files.directory}-moved`, files.directory);
    for (const method of ['PUT', 'GET', 'DELETE'])
      expect((await files.request(method, '/te/v1/files/foo', { body: 'x' })).status).toBe(404);
    expect(await readdir(`${files.directory}-moved`)).toEqual([]);
  });

  it('to a folder beside the root whose name begins alike lead nowhere', async () => {
    await using files = await ServedFiles.start();
    await mkdir(`${files.directory}-backup`);
    await writeFile(join(`${files.directory}-backup`, 'secret'), 'secret');
    await symlink(`${files.directory}-backup`, join(files.directory, 'link'));
    expect((await files.get('/te/v1/files/link/secret')).status).toBe(404);
    expect((await files.put('/te/v1/files/link/secret', 'x')).status).toBe(404);
    expect(await readFile(join(`${files.directory}-backup`, 'secret'), 'utf8')).toBe('secret');
  });

  it.each([
    ['PUT', { 'if-none-match': '*' }, 201],
    ['PUT', { 'if-match': '*' }, 412],
    ['DELETE', { 'if-match': '*' }, 412],
  ])('to a file outside hold nothing, for %s with %o, too', async (method, headers, status) => {
    await using folder = await outside();
    await using files = await ServedFiles.start();
    await symlink(join(folder.path, 'secret'), join(files.directory, 'link'));
    expect((await files.request(method, '/te/v1/files/link', { headers, body: 'x' })).status).toBe(status);
  });

  it.each([10, 2_000_000])('to a folder outside are replaced by an upload of %i bytes', async (size) => {
    await using folder = await outside();
    await using files = await ServedFiles.start();
    await symlink(folder.path, join(files.directory, 'link'));
    expect((await files.put('/te/v1/files/link', Buffer.alloc(size))).status).toBe(201);
    expect((await files.get('/te/v1/files/link')).bytes).toHaveLength(size);
  });

  it('to a folder outside lead nowhere', async () => {
    await using folder = await outside();
    await using files = await ServedFiles.start();
    await symlink(folder.path, join(files.directory, 'link'));
    expect((await files.get('/te/v1/files/link/secret')).status).toBe(404);
    for (const [method, path] of [
      ['PUT', 'link/new'],
      ['PUT', 'link/dir/new'],
      ['PUT', 'link/a/b'],
      ['DELETE', 'link/secret'],
    ] as const) {
      const reply = await files.request(method, `/te/v1/files/${path}`, { body: 'x' });
      expect([reply.status, reply.text]).toEqual([404, `Invalid path: "${path}"`]);
    }
    expect(await readFile(join(folder.path, 'secret'), 'utf8')).toBe('secret');
  });

  it('to a folder outside lead nowhere even in the place of a folder that was used before', async () => {
    await using folder = await outside();
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/dir/secret', 'mine');
    expect((await files.get('/te/v1/files/dir/secret')).text).toBe('mine');
    await files.delete('/te/v1/files/dir/secret');
    await rmdir(join(files.directory, 'dir'));
    await symlink(folder.path, join(files.directory, 'dir'));
    expect((await files.get('/te/v1/files/dir/secret')).status).toBe(404);
    expect((await files.put('/te/v1/files/dir/secret', 'x')).status).toBe(404);
  });

  it('to a folder outside lead nowhere even if it was moved there from the place of the link', async () => {
    await using folder = await outside();
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/a/b/foo', 'x');
    await rename(join(files.directory, 'a'), join(folder.path, 'a'));
    await symlink(join(folder.path, 'a'), join(files.directory, 'a'));
    expect((await files.put('/te/v1/files/a/b/bar', 'x')).status).toBe(404);
    expect((await files.delete('/te/v1/files/a/b/foo')).status).toBe(404);
    expect(await readdir(join(folder.path, 'a', 'b'))).toEqual(['foo']);
  });

  it('to a permitted folder outside are read, never written through', async () => {
    await using folder = await outside();
    await using files = await ServedFiles.start({ linkTargets: [folder.path] });
    await symlink(join(folder.path, 'secret'), join(files.directory, 'firmware'));
    await symlink(folder.path, join(files.directory, 'cache'));
    expect((await files.get('/te/v1/files/firmware')).text).toBe('secret');
    expect((await files.put('/te/v1/files/cache/secret', 'x')).status).toBe(404);
    expect((await files.delete('/te/v1/files/cache/secret')).status).toBe(404);
    expect(await readFile(join(folder.path, 'secret'), 'utf8')).toBe('secret');
  });

  it('to a permitted folder are read even if it was made later, and is reached by a link itself', async () => {
    await using folder = await outside();
    await symlink('dir', join(folder.path, 'data'));
    await using files = await ServedFiles.start({ linkTargets: [join(folder.path, 'data', 'cache')] });
    await mkdir(join(folder.path, 'dir', 'cache'));
    await writeFile(join(folder.path, 'dir', 'cache', 'abc'), 'firmware');
    await symlink(join(folder.path, 'data', 'cache', 'abc'), join(files.directory, 'firmware'));
    expect((await files.get('/te/v1/files/firmware')).text).toBe('firmware');
  });

  it('to a folder inside work as that folder', async () => {
    await using files = await ServedFiles.start();
    await mkdir(join(files.directory, 'dir'));
    await symlink('dir', join(files.directory, 'link'));
    expect((await files.put('/te/v1/files/link/a/foo', 'x')).status).toBe(201);
    expect((await files.get('/te/v1/files/dir/a/foo')).text).toBe('x');
    expect((await files.delete('/te/v1/files/link/a/foo')).status).toBe(202);
    expect(await readdir(join(files.directory, 'dir', 'a'))).toEqual([]);
  });

  it('that lead nowhere, or in a circle, end in an answer', async () => {
    await using files = await ServedFiles.start();
    await symlink('nowhere', join(files.directory, 'dangling'));
    await symlink('circle', join(files.directory, 'circle'));
    for (const path of ['dangling/x', 'circle/x', 'circle']) {
      expect((await files.get(`/te/v1/files/${path}`)).status).toBe(404);
      const put = await files.put(`/te/v1/files/${path}`, 'x');
      expect([path, put.status]).toEqual([path, path === 'circle' ? 201 : 404]);
    }
  });
});
