import {
  BlockMemory,
  CoapEndpoint,
  CoapError,
  type CoapRequest,
  type CoapResponse,
  type EndpointLimits,
} from '@sallyport/coap-wire';
import type { Log } from '@sallyport/runtime';
import type { Connection, StreamListenerHandler } from '@sallyport/tls';
import { ToldProblems } from '../est/told-problem.js';
import type { SignerMetrics } from '../issuance/signer-metrics.js';
import { problemResponse } from './coap-answer.js';
import { type CoapEstParts, CoapEstSession } from './coap-est-session.js';

export interface CoapEstHandlerOptions extends CoapEstParts {
  readonly metrics: SignerMetrics;
  readonly log: Log;
  /** How long a connection may stay without a request, in milliseconds; a minute when absent. */
  readonly idleMs?: number;
}

const defaultIdleMs = 60_000;

const bodyBytes = 32_768;
// Bodies of all clients that wait for more of their blocks. Certificates for clients with small messages are some of them.
const blockMemoryBytes = 8_388_608;

/** A client that enrols sends a few kilobytes, one request after the other, and nobody may be known yet. */
const limits: Partial<EndpointLimits> = {
  messageBytes: 32_768,
  bodyBytes,
  requestsAtOnce: 2,
  requestBytes: 32_768,
  unsentBytes: 131_072,
};

/** Answers EST over CoAP, TCP and TLS (RFC 9148, RFC 8323) on a listener that has verified the client certificate, if any. */
export function coapEstHandler(options: CoapEstHandlerOptions): StreamListenerHandler {
  const blockMemory = new BlockMemory({ mostBytes: blockMemoryBytes, mostBytesEach: 2 * bodyBytes });
  const problems = new ToldProblems(options.log);
  const serve = (connection: Connection) => new CoapEstConnection(options, connection, problems).serve(blockMemory);
  return { stream: serve, alpn: ['coap'] };
}

class CoapEstConnection {
  private readonly session: CoapEstSession;

  constructor(
    private readonly options: CoapEstHandlerOptions,
    private readonly connection: Connection,
    private readonly problems: ToldProblems,
  ) {
    this.session = new CoapEstSession(options, connection);
  }

  serve(blockMemory: BlockMemory): void {
    const { connection, options } = this;
    const endpoint = new CoapEndpoint(connection.socket, {
      limits,
      blockMemory,
      handler: (request) => {
        idle.refresh();
        return this.answer(request);
      },
    });
    const release = () => void endpoint.release();
    // A peer that answers every Ping would hold its place for ever.
    const idle = setTimeout(release, options.idleMs ?? defaultIdleMs);
    connection.draining.addEventListener('abort', release, { once: true });
    void endpoint.ended.then(() => {
      clearTimeout(idle);
      connection.draining.removeEventListener('abort', release);
    });
  }

  private async answer(request: CoapRequest): Promise<CoapResponse> {
    let resource = 'none';
    const response = await this.attempt(() => this.session.answer(request, (route) => (resource = route.resource)));
    this.options.metrics.estRequests.inc({ op: resource, code: response.code, ua: 'coap' });
    return response;
  }

  private async attempt(work: () => Promise<CoapResponse>): Promise<CoapResponse> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof CoapError) return { code: error.code, payload: Buffer.from(error.diagnostic) };
      return problemResponse(this.problems.of(error));
    }
  }
}
