import { readFile, writeFile } from 'node:fs/promises';
import { Agent as HttpAgent, get as httpGet, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, get as httpsGet } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { System } from './system.js';

const requestsPerSecond = 100;

describe('a client that reads at 100 requests a second and follows redirects with its certificate', () => {
  let system: System;
  let credentials: { ca: string; cert: string; key: string };

  beforeAll(async () => {
    system = await System.start();
    const { caPath, certPath, keyPath } = await system.enrol('child01');
    const [ca = '', cert = '', key = ''] = await Promise.all(
      [caPath, certPath, keyPath].map((path) => readFile(path, 'utf8')),
    );
    credentials = { ca, cert, key };
    await writeFile(join(system.directory, 'foo.txt'), 'steady\n');
    await system.run('curl', ['-sS', '-T', 'foo.txt', `http://${system.fileUrl}/foo.txt`]);
  });

  afterAll(() => system.stop());

  it.each([
    ['a connection for each request', false],
    ['connections it keeps', true],
  ])('sees no failure while the site goes to mutual TLS and back, over %s', async (_, keepAlive) => {
    const client = new Client(`http://${system.fileUrl}/foo.txt`, credentials, keepAlive);
    const loop = client.loop();
    const codes = [(await system.sallyport('secure', 'mutual')).code, (await system.sallyport('secure', 'plain')).code];
    client.stop();
    await loop;
    expect(codes).toEqual([0, 0]);
    expect(client.failures).toEqual([]);
    expect(client.overTls).toBeGreaterThan(0);
    expect(client.overPlain).toBeGreaterThan(0);
  });
});

class Client {
  readonly failures: string[] = [];
  overTls = 0;
  overPlain = 0;
  private isRunning = true;
  private readonly plainAgent: HttpAgent;
  private readonly tlsAgent: HttpsAgent;

  constructor(
    private readonly url: string,
    credentials: { ca: string; cert: string; key: string },
    keepAlive: boolean,
  ) {
    this.plainAgent = new HttpAgent({ keepAlive });
    this.tlsAgent = new HttpsAgent({ keepAlive, ...credentials });
  }

  async loop(): Promise<void> {
    const underWay = new Set<Promise<void>>();
    while (this.isRunning) {
      const request = this.once();
      underWay.add(request);
      void request.finally(() => underWay.delete(request));
      await pause(1000 / requestsPerSecond);
    }
    await Promise.all(underWay);
    this.plainAgent.destroy();
    this.tlsAgent.destroy();
  }

  stop(): void {
    this.isRunning = false;
  }

  private async once(): Promise<void> {
    try {
      const response = await answer(httpGet(this.url, { agent: this.plainAgent }));
      if (response.statusCode !== 307) return await this.check(response, 'plain');
      response.resume();
      await this.check(await answer(httpsGet(response.headers.location ?? '', { agent: this.tlsAgent })), 'tls');
    } catch (error) {
      this.failures.push(String(error));
    }
  }

  private async check(response: IncomingMessage, over: 'plain' | 'tls'): Promise<void> {
    const body = await text(response);
    if (response.statusCode !== 200 || body !== 'steady\n')
      this.failures.push(`${over}: ${response.statusCode} ${body}`);
    else if (over === 'tls') this.overTls += 1;
    else this.overPlain += 1;
  }
}

function answer(request: ReturnType<typeof httpGet>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
  });
}

// Sets the rate of the load. It does not wait for an event.
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
