import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';
import type { TestCertificate } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpSite } from './http-site.fixture.js';

const alias = '/onep:v1/stack/alias';
const kibibyte = 1024;

describe('bodies that take memory', () => {
  let site: HttpSite;
  let hostile: TestCertificate;
  let other: TestCertificate;

  beforeAll(async () => {
    site = await HttpSite.open();
    [hostile, other] = [await site.device('hostile'), await site.device('other')];
  });
  afterAll(() => site[Symbol.asyncDispose]());

  /** Sends the head of a request and a part of its body. Resolves when the part has left. */
  async function begin(path: string, { sent, device }: { sent: string; device?: TestCertificate }): Promise<TLSSocket> {
    const socket = site.connect({ serverName: 'localhost', ...(device === undefined ? {} : { device }) });
    await once(socket, 'secureConnect');
    socket.setEncoding('latin1');
    const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${kibibyte * kibibyte}\r\n\r\n`;
    await new Promise((resolve) => void socket.write(head + sent, resolve));
    return socket;
  }

  const statusOf = async (socket: TLSSocket) => /^HTTP\/1\.1 (\d+)/.exec(String((await once(socket, 'data'))[0]))?.[1];

  it('are not taken from a client that nobody knows', async () => {
    const socket = await begin('/provision/activate', { sent: '' });
    expect(await statusOf(socket)).toBe('413');
  });

  it('are refused to a device that sends many at once, and to no other', async () => {
    const part = `note=${'x'.repeat(900 * kibibyte)}`;
    const held = [
      await begin(alias, { sent: part, device: hostile }),
      await begin(alias, { sent: part, device: hostile }),
    ];
    const third = await begin(alias, { sent: part, device: hostile });
    expect(await Promise.race([third, ...held].map(statusOf))).toBe('429');
    const large = { body: `note=${'x'.repeat(60 * kibibyte)}` };
    expect((await site.ask(alias, { device: other, ...large })).status).toBe(204);
    expect((await site.ask(alias, { device: hostile, body: 'a=1' })).status).toBe(204);
    for (const socket of [...held, third]) socket.destroy();
    await expect.poll(async () => (await site.ask(alias, { device: hostile, ...large })).status).toBe(204);
  });
});
