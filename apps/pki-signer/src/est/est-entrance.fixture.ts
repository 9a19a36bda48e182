import { mkdir, writeFile } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { Agent, type RequestOptions, request } from 'node:https';
import { join } from 'node:path';
import { type Log, openLog } from '@sallyport/runtime';
import { type ListenerHandler, SecureListener } from '@sallyport/tls';
import { pemFromDer } from '@sallyport/x509';
import { openTestSite, type TestSite } from '../signer.fixture.js';
import type { SignerSettings } from '../signer-settings.js';
import { estSecurity } from './est-entrance.js';
import { estHandler } from './est-handler.js';

/** A signer with its EST entrance open on loopback. */
export interface OpenEstEntrance extends AsyncDisposable {
  readonly site: TestSite;
  readonly port: number;
  readonly listener: SecureListener;
  /** Lines of the log. */
  readonly logged: readonly string[];
  /** Without a slash at the end. */
  readonly url: string;
  /** The root, in PEM. */
  readonly rootPem: string;
  readonly rootPath: string;
  /** A path in a folder of the test's own. */
  file(name: string): string;
}

export function openEstEntrance(changes: Partial<SignerSettings> = {}): Promise<OpenEstEntrance> {
  return openEntrance(({ signer }, log) => ({ http: estHandler({ ...signer, log }) }), changes);
}

/** Opens an entrance of the signer with the handler of a test. */
export async function openEntrance(
  handlerOf: (site: TestSite, log: Log) => ListenerHandler,
  changes: Partial<SignerSettings> = {},
): Promise<OpenEstEntrance> {
  const site = await openTestSite(changes);
  const { hierarchy, serverCertificate } = site.signer;
  await serverCertificate.renewIfDue();
  const logged: string[] = [];
  const log = openLog({ destination: { write: (line: string) => void logged.push(line) } });
  const listener = listenerOf(site, handlerOf(site, log));
  const { port } = await listener.listen();
  const folder = join(site.directory, 'client');
  await mkdir(folder);
  const rootPem = pemFromDer('CERTIFICATE', hierarchy.byId('root-1').certificate.der);
  const rootPath = join(folder, 'root.pem');
  await writeFile(rootPath, rootPem);
  return {
    site,
    port,
    listener,
    logged,
    url: `https://localhost:${port}`,
    rootPem,
    rootPath,
    file: (name) => join(folder, name),
    [Symbol.asyncDispose]: async () => {
      await listener.close({ drainMs: 100 });
      await site[Symbol.asyncDispose]();
    },
  };
}

/** Lets everybody in whose certificate holds: the registry's part is tested elsewhere. */
function listenerOf({ signer, clock }: TestSite, handler: ListenerHandler): SecureListener {
  return new SecureListener({
    name: 'pki',
    host: '127.0.0.1',
    port: 0,
    security: estSecurity(signer.hierarchy, signer.serverCertificate, clock.now()).security,
    admission: { admit: async ({ deviceId, kind }) => ({ outcome: 'admitted', deviceId, kind }) },
    events: { onRefusal: () => undefined, onWarning: () => undefined },
    handler,
  });
}

export interface EstReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** One request on a connection of its own, its server certificate verified against the root. */
export function ask(
  { port, rootPem }: OpenEstEntrance,
  path: string,
  { body, ...options }: RequestOptions & { readonly body?: string | Buffer } = {},
): Promise<EstReply> {
  const agent = new Agent({ keepAlive: false, maxCachedSessions: 0 });
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', servername: 'localhost', port, path, ca: [rootPem], agent, ...options });
    sent.once('error', reject);
    sent.once('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const { statusCode = 0, headers } = response;
        resolve({ status: statusCode, headers, body: Buffer.concat(chunks).toString('latin1') });
      });
    });
    sent.end(body);
  });
}

/** HTTP Basic credentials. */
export function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** A POST of a CSR as most clients send it. */
export function post(name: string, password: string, body: string | Buffer) {
  return {
    method: 'POST',
    headers: { authorization: basic(name, password), 'content-type': 'application/pkcs10' },
    body,
  };
}
