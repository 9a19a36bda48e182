import { readFile } from 'node:fs/promises';
import { type IncomingMessage, request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import { requireGroup, type Settings } from '@sallyport/config';
import type { EntranceDescription } from '@sallyport/protocol';
import { Failure } from '../failure.js';
import { reachableHost } from '../secure/probe.js';
import type { Site } from '../site/site.js';

// The proxy has to fetch a token first.
const deadlineMs = 60_000;

/** The certificate that local clients show to the proxy; undefined while none is set. */
export function localClient(settings: Settings): string[] | undefined {
  return requireGroup(settings, ['http.client.auth.cert_file', 'http.client.auth.key_file']);
}

/**
 * One GET through the Cumulocity proxy of this device, at the level it has. Above level plain it must show the certificate
 * that its settings name. At level mutual this client shows `http.client.auth.*`.
 *
 * @returns the status
 * @throws Failure: no answer
 */
export async function requestThroughProxy(site: Site, entrance: EntranceDescription, path: string): Promise<number> {
  const { host, port, profile, level } = entrance;
  const { signal: interrupted } = site.context;
  const signal = AbortSignal.any([interrupted, AbortSignal.timeout(deadlineMs)]);
  const options = { host: reachableHost(host), port, path, agent: false, signal } as const;
  try {
    if (level === 'plain') return await statusOf(requestPlain(options));
    const client = level === 'mutual' ? await clientPair(site.settings) : {};
    const server = await serverPin(site.settings.ofProfile(profile));
    return await statusOf(requestTls({ ...options, ...client, ...server }));
  } catch (fault) {
    interrupted.throwIfAborted();
    const reason = fault instanceof Error ? fault.message : String(fault);
    throw new Failure(
      `The Cumulocity proxy at port ${port} did not answer: ${reason}.`,
      'Look at the log of the service c8y-proxy.',
      { cause: fault },
    );
  }
}

async function clientPair(settings: Settings): Promise<{ cert?: string; key?: string }> {
  const [certPath, keyPath] = localClient(settings) ?? [];
  if (certPath === undefined || keyPath === undefined) return {};
  return { cert: await readFile(certPath, 'utf8'), key: await readFile(keyPath, 'utf8') };
}

/** Exactly the certificate of the settings is accepted, so its names do not matter. */
async function serverPin(settings: Settings) {
  const certPath = settings.require('c8y.proxy.cert_path');
  return {
    ca: [await readFile(certPath, 'utf8')],
    allowPartialTrustChain: true,
    checkServerIdentity: () => undefined,
    minVersion: 'TLSv1.2' as const,
    servername: 'localhost',
    rejectUnauthorized: true,
  };
}

function statusOf(outgoing: ReturnType<typeof requestPlain>): Promise<number> {
  return new Promise((resolve, reject) => {
    outgoing.once('response', (answer: IncomingMessage) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
      outgoing.destroy();
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}
