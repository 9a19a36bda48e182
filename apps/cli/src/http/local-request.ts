import type { ClientRequest, IncomingMessage } from 'node:http';
import { request as requestPlain } from 'node:http';
import { type RequestOptions, request as requestTls } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { checkServerIdentity, getCACertificates, type PeerCertificate } from 'node:tls';
import type { Settings } from '@sallyport/config';
import { readTextIfPresent } from '@sallyport/files';
import { connectionProblem } from '@sallyport/identity';
import { lookupHost, Problem } from '@sallyport/protocol';
import { deviceFiles } from '../cert/device-files.js';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { localClient } from '../secure/local-identity.js';
import { clientFiles, type LocalService } from './local-service.js';

/** What is sent. It can be opened again, because a service may send the client to its HTTPS address first. */
export interface LocalBody {
  /** Undefined when it is not known before the end: the body is then chunked. */
  readonly bytes: number | undefined;
  readonly open: () => Readable;
}

export interface LocalRequest {
  readonly service: LocalService;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path and query, as they go over the wire. */
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: LocalBody;
}

// The proxy itself waits a minute for the cloud. Without any byte for longer, nothing will come.
const idleMs = 120_000;
const mostRedirects = 3;
/** With these the same request goes to another address of the service (RFC 9110 §15.4.8, §15.4.9). */
const redirects: readonly number[] = [307, 308];

/** A text as a body. */
export function textBody(text: string): LocalBody {
  const bytes = Buffer.from(text);
  return { bytes: bytes.length, open: () => Readable.from([bytes]) };
}

/**
 * Sends one request to a service of the site, body and answer as streams. It shows the client certificate of this machine,
 * and trusts the CAs of the site and of the system. A redirect to another port of the same host is followed.
 *
 * @returns the answer, whatever its status; the caller reads its body
 * @throws Problem `unavailable`, `certificate-rejected`, `credentials-invalid`: there is no answer, in words
 * @throws Failure: the service wants a client certificate, and none is set
 */
export async function sendLocal(
  { settings, signal }: Pick<CliContext, 'signal'> & { readonly settings: Settings },
  request: LocalRequest,
): Promise<IncomingMessage> {
  const tls = await tlsOptions(settings);
  const { service, target } = request;
  // What cannot stand in a request line is escaped. The rest is not touched, so no URL is made of it.
  let place: Place = { url: new URL(service.origin), path: target.replace(/[^\x21-\x7e]/gu, encodeURIComponent) };
  for (let followed = 0; ; followed += 1) {
    const answer = await answerTo(place, request, { tls, signal });
    const next = redirects.includes(answer.statusCode ?? 0) ? placeNamed(answer, place) : undefined;
    if (next === undefined || followed === mostRedirects) return answer;
    answer.resume();
    place = next;
  }
}

interface Place {
  /** Its path is not used. */
  readonly url: URL;
  readonly path: string;
}

function placeNamed({ headers }: IncomingMessage, { url }: Place): Place | undefined {
  const next = URL.parse(headers.location ?? '', url.href);
  // Another host would get what was meant for this one.
  if (next === null || next.hostname !== url.hostname || next.protocol !== 'https:') return undefined;
  return { url: next, path: `${next.pathname}${next.search}` };
}

interface Connection {
  readonly tls: RequestOptions;
  readonly signal: AbortSignal;
}

async function answerTo(place: Place, request: LocalRequest, { tls, signal }: Connection): Promise<IncomingMessage> {
  const { url, path } = place;
  const { method, headers, body, service } = request;
  const length = body?.bytes === undefined ? {} : { 'content-length': String(body.bytes) };
  const sent = { method, path, headers: { ...headers, ...length } };
  const options = { ...sent, lookup: lookupHost, agent: false, signal, timeout: idleMs };
  const isSecure = url.protocol === 'https:';
  const outgoing = isSecure ? requestTls(url, { ...options, ...tls }) : requestPlain(url, options);
  const failure = Promise.withResolvers<never>();
  outgoing.once('timeout', () => outgoing.destroy(new Silence()));
  outgoing.on('error', failure.reject);
  try {
    return await Promise.race([failure.promise, answerOf(outgoing), sendBody(outgoing, body)]);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof UnreadableBody) throw error.cause;
    throw explained(error, { url, service, hasIdentity: tls.cert !== undefined });
  }
}

/** No byte came or went for too long. */
class Silence extends Error {
  override readonly name = 'Silence';
}

/** The file that was to be sent could not be read. */
class UnreadableBody extends Error {
  override readonly name = 'UnreadableBody';
}

function answerOf(outgoing: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve) => outgoing.once('response', resolve));
}

/** Never ends well: only the answer counts. */
async function sendBody(outgoing: ClientRequest, body: LocalBody | undefined): Promise<never> {
  if (body === undefined) outgoing.end();
  else {
    const source = body.open();
    source.once('error', (cause) => outgoing.destroy(new UnreadableBody('', { cause })));
    // A server may answer before it has read everything; the failed write is then of no interest.
    await pipeline(source, outgoing).catch(() => undefined);
  }
  return new Promise<never>(() => undefined);
}

interface Attempt {
  readonly url: URL;
  readonly service: LocalService;
  readonly hasIdentity: boolean;
}

function explained(error: unknown, { url, service, hasIdentity }: Attempt): unknown {
  const { chosenBy } = service;
  const problem = connectionProblem(error, { url, timeoutMs: idleMs, chosenBy }, error instanceof Silence);
  if (hasIdentity || !/certificate[ _]required/i.test(String(problem.extensions['code']))) return problem;
  return new Failure(
    `${url.origin} wants a client certificate, and none is set (TLS alert certificate_required).`,
    'Set http.client.auth.cert_file and http.client.auth.key_file; "sallyport secure mutual" does so on the gateway.',
    { cause: error },
  );
}

/** What to trust and to show over TLS. */
async function tlsOptions(settings: Settings): Promise<RequestOptions> {
  const shown = clientFiles(settings);
  const identity = shown === undefined ? undefined : { cert: await read(shown.cert), key: await read(shown.key) };
  return { ca: await roots(settings), minVersion: 'TLSv1.2', checkServerIdentity: checkName, ...identity };
}

/** The CAs of the site, wherever this machine has them, and, as in thin-edge.io, those of the system. */
async function roots(settings: Settings): Promise<string[]> {
  const ofSite = [
    localClient(settings).files.caPath,
    deviceFiles(settings).caPath,
    settings.get('mqtt.client.auth.ca_file'),
  ];
  const texts = await Promise.all(ofSite.map((path) => (path === undefined ? undefined : readTextIfPresent(path))));
  return [...texts.filter((text) => text !== undefined), ...getCACertificates('system')];
}

/** Certificates of a site are for `localhost`, and the settings may have the address of this machine for it. */
function checkName(host: string, certificate: PeerCertificate): Error | undefined {
  const fault = checkServerIdentity(host, certificate);
  const isThisMachine = /^127(?:\.\d+){3}$|^::1$/.test(host);
  return fault !== undefined && isThisMachine ? checkServerIdentity('localhost', certificate) : fault;
}

async function read(path: string): Promise<string> {
  const text = await readTextIfPresent(path);
  if (text !== undefined) return text;
  throw new Problem(
    'not-found',
    `There is no file ${path}, which http.client.auth.* names. Correct the setting, or have the certificate made: sallyport secure mutual`,
  );
}
