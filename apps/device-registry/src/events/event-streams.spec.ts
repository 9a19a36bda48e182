import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprintOf, peer, RegistryUnderTest } from '../registry.fixture.js';

/** What a client of the event stream has read so far. */
class StreamClient {
  text = '';
  hasEnded = false;
  private constructor(
    private readonly call: ClientRequest,
    readonly response: IncomingMessage,
  ) {
    response.on('data', (chunk: Buffer) => {
      this.text += chunk.toString();
    });
    response.once('close', () => {
      this.hasEnded = true;
    });
  }

  static async open(registry: RegistryUnderTest, path = '/v1/events', headers = {}): Promise<StreamClient> {
    const call = request({ socketPath: registry.adminSocket, path, headers }).end();
    const [response] = await once(call, 'response');
    return new StreamClient(call, response);
  }

  /** The types of the events, in order. */
  get types(): string[] {
    return [...this.text.matchAll(/^event: (.*)$/gm)].map(([, type = '']) => type);
  }

  get lastId(): string {
    return [...this.text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? '';
  }

  until(count: number): Promise<boolean> {
    return waitFor(() => this.types.length >= count, { what: `event ${count}` });
  }

  close(): void {
    this.call.destroy();
  }
}

describe('the stream of events', () => {
  let registry: RegistryUnderTest;
  const clients: StreamClient[] = [];

  beforeEach(async () => {
    registry = await RegistryUnderTest.start();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await registry.stop();
  });

  const open = async (...options: [path?: string, headers?: object]) => {
    const client = await StreamClient.open(registry, ...options);
    clients.push(client);
    return client;
  };

  it('shows what happens to devices, as it happens', async () => {
    const client = await open();
    expect(client.response.headers).toMatchObject({ 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    await registry.admit(peer());
    await registry.change('child01', 'lock');
    await client.until(2);
    expect(client.types).toEqual(['provisioned', 'locked']);
  });

  it.each([
    ['one device', 'device=Child02', ['provisioned']],
    ['one type', 'type=locked', ['locked']],
  ])('shows only what concerns %s when asked so', async (_case, query, types) => {
    const [client, all] = [await open(`/v1/events?${query}`), await open()];
    await registry.admit(peer());
    await registry.change('child01', 'lock');
    await registry.admit(peer({ deviceId: 'child02', fingerprint: fingerprintOf('other') }));
    await all.until(3);
    expect(client.types).toEqual(types);
  });

  it('goes on after the last event that a client has seen', async () => {
    const first = await open();
    await registry.admit(peer());
    await first.until(1);
    first.close();
    const other = await open();
    await registry.change('child01', 'lock');
    await other.until(1);
    const again = await open('/v1/events', { 'Last-Event-ID': first.lastId });
    await again.until(1);
    expect(again.types).toEqual(['locked']);
  });

  it('says when it does not know the last event of a client any more', async () => {
    const client = await open('/v1/events', { 'Last-Event-ID': 'long-ago' });
    await client.until(1);
    expect(client.types).toEqual(['gap']);
  });

  it('ends when the registry stops', async () => {
    const client = await open();
    await registry.stopService();
    await waitFor(() => client.hasEnded);
    await registry.startService();
  });

  it('refuses a query it does not know', async () => {
    expect(await registry.refusal('GET', '/v1/events?color=red')).toMatch(/^400 /);
  });
});
