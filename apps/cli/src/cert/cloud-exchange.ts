import { request as httpRequest, type IncomingMessage } from 'node:http';
import { type CloudConnection, dialCloud, hostFieldOf } from '@sallyport/cloud';
import { errorCode } from '@sallyport/files';
import type { CliContext } from '../cli-context.js';
import { explained } from '../connect/explained.js';
import { Failure } from '../failure.js';

/** A request to the REST API of a cloud. */
export interface CloudRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body?: unknown;
}

export interface CloudAnswer {
  readonly status: number;
  /** At most 1 MiB. */
  readonly body: string;
}

const deadlineMs = 60_000;
const longestAnswerBytes = 1_048_576;

/**
 * Asks the REST API of a cloud directly, and not through the proxy of this device: its tenant need not know the device.
 *
 * @throws Failure: the cloud cannot be reached or cannot be trusted, in words with what to do
 */
export async function askCloudApi(
  context: CliContext,
  connection: CloudConnection,
  asked: CloudRequest,
): Promise<CloudAnswer> {
  const deadline = AbortSignal.timeout(deadlineMs);
  const signal = AbortSignal.any([context.signal, deadline]);
  try {
    const socket = await dialCloud(connection, { endpoint: 'http', alpn: ['http/1.1'], signal });
    const body = asked.body === undefined ? undefined : JSON.stringify(asked.body);
    const content =
      body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const request = httpRequest({
      method: asked.method,
      path: asked.path,
      headers: { host: hostOf(connection), accept: 'application/json', ...asked.headers, ...content },
      createConnection: () => socket,
      signal,
    });
    return await answerOf(request, body);
  } catch (fault) {
    context.signal.throwIfAborted();
    if (fault instanceof Failure) throw fault;
    if (deadline.aborted) throw silent(connection);
    if (isNoHttp(fault)) throw notHttp(connection, fault);
    throw await explained(fault, connection, { now: context.now(), endpoint: 'http' });
  }
}

function silent(connection: CloudConnection): Failure {
  return new Failure(`${hostOf(connection)} did not answer within ${deadlineMs / 1000} s.`, 'Try again later.');
}

/** Faults of the parser of Node: the answer is not HTTP, or its head is too large. */
function isNoHttp(fault: unknown): boolean {
  return errorCode(fault)?.startsWith('HPE_') === true;
}

function notHttp(connection: CloudConnection, cause: unknown): Failure {
  return new Failure(
    `${hostOf(connection)} does not answer as an HTTP server does (${errorCode(cause)}).`,
    `Check host and port: ${connection.settingNames.httpHost}.`,
    { cause },
  );
}

function hostOf({ http }: CloudConnection): string {
  return http === undefined ? '' : hostFieldOf(http);
}

function answerOf(request: ReturnType<typeof httpRequest>, body: string | undefined): Promise<CloudAnswer> {
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.once('response', (response) => {
      textOf(response).then((text) => {
        request.destroy();
        resolve({ status: response.statusCode ?? 0, body: text });
      }, reject);
    });
    request.end(body);
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += chunk.length;
    if (bytes > longestAnswerBytes)
      throw new Failure(`The cloud answered with more than ${longestAnswerBytes} bytes.`, 'Check the host: c8y.http.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
