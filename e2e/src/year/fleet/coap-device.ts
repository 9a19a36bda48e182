import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { CoapEndpoint, type CoapResponse, contentFormats } from '@sallyport/coap-wire';
import { decode, encode } from 'cborg';
import { z } from 'zod';
import { FleetDevice } from './device.js';

const tokens = z.object({ accesstoken: z.string(), refreshtoken: z.string(), uid: z.string().optional() });
const deadlineMs = 10_000;
// A day passes in seconds, and the gateway says when a device signs in too often.
const signInEvery = 5;

/** A device of OCF: it signs up once with a code. Then it refreshes its token and signs in, or only asks for the time. */
export class CoapDevice extends FleetDevice {
  private contacts = 0;

  /** It has its certificate already. */
  override async begin(): Promise<void> {
    const answer = await this.session((endpoint) =>
      ask(endpoint, 'account', { di: this.id, accesstoken: this.spec.secret, authprovider: 'site' }),
    );
    await this.keep(answer);
  }

  protected async sendData(): Promise<void> {
    this.contacts += 1;
    await this.session(async (endpoint) => {
      if (this.contacts % signInEvery !== 1) return askTime(endpoint);
      const { uid, refreshtoken } = tokens.parse(JSON.parse(await readFile(this.tokenPath, 'utf8')));
      const fresh = await this.keep(await ask(endpoint, 'tokenrefresh', { di: this.id, uid, refreshtoken }));
      await ask(endpoint, 'session', { di: this.id, uid, accesstoken: fresh.accesstoken, login: true });
    });
  }

  private get id(): string {
    return this.spec.name.replace('uuid:', '');
  }

  private get tokenPath(): string {
    return join(this.spec.directory, 'tokens.json');
  }

  private async keep(answer: unknown): Promise<z.infer<typeof tokens>> {
    const before = await readFile(this.tokenPath, 'utf8').catch(() => '{}');
    const kept = tokens.parse({ ...JSON.parse(before), ...z.record(z.string(), z.unknown()).parse(answer) });
    await writeFile(this.tokenPath, JSON.stringify(kept));
    return kept;
  }

  private async session<T>(use: (endpoint: CoapEndpoint) => Promise<T>): Promise<T> {
    const socket = connect({ host: '127.0.0.1', port: this.site.coap, ...(await this.tls()), ALPNProtocols: ['coap'] });
    await once(socket, 'secureConnect');
    socket.on('error', () => socket.destroy());
    const endpoint = new CoapEndpoint(socket);
    try {
      return await use(endpoint);
    } finally {
      socket.destroy();
      await endpoint.ended;
    }
  }
}

async function askTime(endpoint: CoapEndpoint): Promise<void> {
  const answer = await endpoint.request({ method: 'GET', path: ['x.plgd.dev', 'time'] }, { deadlineMs });
  if (!answer.code.startsWith('2.')) throw new Error(`time: ${textOf(answer)}`);
}

async function ask(endpoint: CoapEndpoint, path: string, body: unknown): Promise<unknown> {
  const payload = Buffer.from(encode(body));
  const request = {
    method: 'POST',
    path: ['oic', 'sec', path],
    contentFormat: contentFormats.ocfCbor,
    payload,
  } as const;
  const answer = await endpoint.request(request, { deadlineMs });
  if (!answer.code.startsWith('2.')) throw new Error(`${path}: ${textOf(answer)}`);
  return answer.payload === undefined || answer.payload.length === 0 ? {} : decode(answer.payload);
}

function textOf({ code, payload }: CoapResponse): string {
  return `${code} ${payload?.toString() ?? ''}`;
}
