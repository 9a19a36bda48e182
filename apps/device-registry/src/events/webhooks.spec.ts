import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { auditPage, type DeviceEvent, deviceEvent, webhookList } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { peer, RegistryUnderTest } from '../registry.fixture.js';

/** A receiver that answers as the test says. */
class Receiver {
  readonly taken: DeviceEvent[] = [];
  readonly requests: { readonly headers: IncomingMessage['headers']; readonly body: string }[] = [];
  /** Status of the answer to each request, by its number; 204 when absent. */
  answers: number[] = [];
  private constructor(
    private readonly server: Server,
    readonly origin: string,
  ) {}

  static async start(): Promise<Receiver> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const receiver = new Receiver(server, `http://127.0.0.1:${portOf(server.address())}`);
    server.on('request', async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      const status = receiver.answers.shift() ?? 204;
      receiver.requests.push({ headers: request.headers, body });
      if (status < 300) receiver.taken.push(deviceEvent.parse(JSON.parse(body)));
      response.writeHead(status, status === 302 ? { Location: `${receiver.origin}/elsewhere` } : {}).end();
    });
    return receiver;
  }

  get types(): string[] {
    return this.taken.map(({ type }) => type);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

function portOf(address: AddressInfo | string | null): number {
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('a webhook', () => {
  let receiver: Receiver;
  let registry: RegistryUnderTest;

  beforeEach(async () => {
    receiver = await Receiver.start();
    registry = await RegistryUnderTest.start({ TEDGE_REGISTRY_WEBHOOK_ORIGINS: receiver.origin });
  });
  afterEach(async () => {
    await registry.stop();
    await receiver.stop();
  });

  const set = (change: object = {}, name = 'erp') =>
    registry.order('POST', `/v1/webhooks/${name}`, { url: `${receiver.origin}/events?key=abc`, ...change });
  const webhooks = async () => (await registry.get('/v1/webhooks', webhookList)).webhooks;

  it('gets the events of each device in their order', async () => {
    await set();
    await registry.admit(peer());
    for (const action of ['lock', 'unlock', 'revoke']) await registry.change('child01', action);
    await waitFor(() => receiver.taken.length === 4);
    expect(receiver.types).toEqual(['provisioned', 'locked', 'unlocked', 'revoked']);
  });

  it('can prove with the secret of the registry that an event is from it', async () => {
    await set();
    await registry.admit(peer());
    const { headers, body } = await waitFor(() => receiver.requests[0]);
    const path = join(registry.configDirectory, 'registry', 'webhook-secret');
    const secret = (await readFile(path, 'utf8')).trim();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const seconds = Date.parse('2026-06-01T12:00:00Z') / 1000;
    const digest = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
    expect(headers['sallyport-signature']).toBe(`t=${seconds},v1=${digest}`);
    expect(headers['sallyport-event-id']).toBe(deviceEvent.parse(JSON.parse(body)).id);
  });

  it('gets only the events it asks for', async () => {
    await set({ types: ['locked'] });
    await registry.admit(peer());
    await registry.change('child01', 'lock');
    await waitFor(() => receiver.taken.length === 1);
    expect(receiver.types).toEqual(['locked']);
  });

  it('gets an event again until it takes it, and no later one of the device before', async () => {
    receiver.answers = [503];
    await set();
    await registry.admit(peer());
    await registry.change('child01', 'lock');
    await waitFor(() => receiver.taken.length === 2);
    expect(receiver.types).toEqual(['provisioned', 'locked']);
    expect(receiver.requests).toHaveLength(3);
  });

  it('gets an event once when it refuses it for good, and then the next', async () => {
    receiver.answers = [422];
    await set();
    await registry.admit(peer());
    await registry.change('child01', 'lock');
    await waitFor(() => receiver.taken.length === 1);
    expect(receiver.types).toEqual(['locked']);
  });

  it('is not followed to another address', async () => {
    receiver.answers = [302];
    await set();
    await registry.admit(peer());
    await waitFor(async () => (await webhooks())[0]?.fault);
    expect((await webhooks())[0]).toMatchObject({ waiting: 1, fault: 'Webhook "erp" answered 302.' });
    expect(receiver.requests.every(({ body }) => body !== '')).toBe(true);
  });

  it('gets after a restart what waited for it', async () => {
    receiver.answers = [503, 503, 503];
    await set();
    await registry.admit(peer());
    await waitFor(() => receiver.requests.length > 0);
    await registry.restart();
    await waitFor(() => receiver.taken.length === 1);
  });

  it('gets nothing more once it is removed', async () => {
    await set();
    await registry.order('DELETE', '/v1/webhooks/erp');
    await set({}, 'other');
    await registry.admit(peer());
    await waitFor(() => receiver.taken.length === 1);
    expect((await webhooks()).map(({ name }) => name)).toEqual(['other']);
    expect(receiver.requests).toHaveLength(1);
  });

  it.each([
    ['a host that nobody allowed', 'http://169.254.169.254/latest/meta-data/', 'registry.webhook.origins'],
    ['another port of an allowed host', 'http://127.0.0.1:1/', 'registry.webhook.origins'],
    ['an address with a password', 'http://user:secret@127.0.0.1:1/', 'no password'],
    ['a file', 'file:///etc/passwd', 'url'],
  ])('cannot be sent to %s', async (_case, url, reason) => {
    expect(await registry.refusal('POST', '/v1/webhooks/erp', { url })).toContain(reason);
    expect(await webhooks()).toEqual([]);
  });

  it('leaves who made it in the audit log, and no secret of its address', async () => {
    await set();
    const { rows } = await registry.get('/v1/audit', auditPage);
    expect(rows.at(-1)).toMatchObject({ action: 'webhook-set', actor: 'local-admin', subject: 'erp' });
    expect(rows.at(-1)?.details).toEqual({ url: `${receiver.origin}/events` });
  });
});
