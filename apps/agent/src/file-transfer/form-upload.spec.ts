import { describe, expect, it } from 'vitest';
import { ServedFiles } from '../served-files.fixture.js';

const mebibyte = 1024 * 1024;
const head = '--XX\r\nContent-Disposition: form-data; name="file"; filename="foo.txt"\r\n\r\n';
const form = (content: Buffer) => Buffer.concat([Buffer.from(head), content, Buffer.from('\r\n--XX--\r\n')]);
const type = { 'content-type': 'multipart/form-data; boundary=XX' };

describe('PUT of a form', () => {
  it.each([0, 1, 70_000, mebibyte, 4 * mebibyte + 3])(
    'stores the file of %i bytes itself, not the form around it',
    async (size) => {
      await using files = await ServedFiles.start();
      const content = Buffer.alloc(size, 'x\r\n--X');
      for (const body of [form(content), [form(content).subarray(0, 100), form(content).subarray(100)]]) {
        const reply = await files.put('/tedge/file-transfer/foo.txt', body, type);
        expect([reply.status, reply.text]).toEqual([201, '']);
        expect((await files.get('/te/v1/files/foo.txt')).bytes.equals(content)).toBe(true);
      }
      expect(await files.entries()).toEqual(['foo.txt']);
    },
  );

  it.each([
    ['is no form', Buffer.from('{"a":1}'), 'the announced boundary does not occur in it'],
    ['is empty', Buffer.alloc(0), 'the announced boundary does not occur in it'],
    ['lacks its closing boundary', Buffer.from(`${head}content`), 'it ends without the closing boundary'],
    [
      'is large and lacks its closing boundary',
      Buffer.concat([Buffer.from(head), Buffer.alloc(3 * mebibyte)]),
      'it ends without the closing boundary',
    ],
  ])('answers 400 and stores nothing when the body %s', async (_, body, fault) => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/foo', 'old');
    const reply = await files.put('/te/v1/files/foo', body, type);
    expect([reply.status, reply.text]).toEqual([400, `The body is not a valid multipart/form-data body: ${fault}.`]);
    expect((await files.get('/te/v1/files/foo')).text).toBe('old');
    expect(await files.entries()).toEqual(['foo']);
  });

  it('answers 400 when the type names no boundary', async () => {
    await using files = await ServedFiles.start();
    const reply = await files.put('/te/v1/files/foo', form(Buffer.from('x')), {
      'content-type': 'multipart/form-data',
    });
    expect(reply.status).toBe(400);
    expect(await files.entries()).toEqual([]);
  });
});
