import type { IncomingMessage, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { FactoryProvider, OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { isOwnHost } from '@sallyport/http';
import { type ConfiguredGroup, Problem } from '@sallyport/protocol';
import { Entrances } from './entrances.js';

/** The part of Fastify that takes a request from a server of our own. */
interface Router {
  routing(request: IncomingMessage, response: ServerResponse): void;
}

interface AdminEntranceOptions {
  /** The row of the table it opens. */
  readonly group: ConfiguredGroup;
  /** What people use instead of a web page: `sallyport device`. */
  readonly command: string;
}

/**
 * Provides the network entrance to the admin API of a service: to the kinds of certificate that its row permits, and at
 * level mutual only. It is closed while its port is not set.
 */
export function adminEntrance(options: AdminEntranceOptions): FactoryProvider {
  return {
    provide: AdminEntrance,
    inject: [Entrances, HttpAdapterHost],
    useFactory: (entrances: Entrances, adapterHost: HttpAdapterHost) =>
      new AdminEntrance(options, entrances, () => adapterHost.httpAdapter.getInstance<Router>()),
  };
}

/**
 * Whether a browser sends it. Fetch §3.2: every browser sends Origin with what may change something. With other requests
 * over TLS, such as those for an image, all current browsers send `Sec-Fetch-*` (Fetch Metadata §2), also when somebody
 * types the address. No other client sends either.
 */
function isFromPage({ headers }: IncomingMessage): boolean {
  return Object.keys(headers).some((name) => name === 'origin' || name.startsWith('sec-fetch-'));
}

/** Whether the client calls this service by a name in the certificate that it was shown, or by one of nobody else. */
function isForUs({ headers, socket }: IncomingMessage): boolean {
  const shown = socket instanceof TLSSocket ? socket.getX509Certificate() : undefined;
  return isOwnHost(headers.host, (name) => shown?.checkHost(name) !== undefined);
}

/**
 * The admin API of a service on the network. A browser that holds the certificate of an administrator shows it for
 * whatever page asks, so requests that come from pages are refused. So are those under the name of another host, which
 * may be that of a page.
 */
class AdminEntrance implements OnApplicationBootstrap {
  constructor(
    private readonly options: AdminEntranceOptions,
    private readonly entrances: Entrances,
    private readonly router: () => Router,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { group } = this.options;
    await this.entrances.openConfigured(group, {
      handler: { http: (request, response) => this.pass(request, response) },
    });
  }

  private pass(request: IncomingMessage, response: ServerResponse): void {
    const refusal = this.refusalOf(request);
    if (refusal === undefined) this.router().routing(request, response);
    else refuse(response, refusal);
  }

  private refusalOf(request: IncomingMessage): string | undefined {
    if (isFromPage(request))
      return `This API takes no requests from web pages. Use the command line: ${this.options.command}.`;
    if (isForUs(request)) return undefined;
    return 'The Host header names another host: neither this machine nor the certificate of this service has this name. Use a name in the certificate (setting pki.hostnames), or an address.';
  }
}

function refuse(response: ServerResponse, detail: string): void {
  const body = JSON.stringify(new Problem('forbidden', detail));
  response.writeHead(403, { 'Content-Type': 'application/problem+json', Connection: 'close' }).end(body);
}
