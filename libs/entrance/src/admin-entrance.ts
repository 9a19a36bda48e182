import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FactoryProvider, OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
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

/**
 * The admin API of a service on the network. A browser that holds the certificate of an administrator shows it for
 * whatever page asks, so requests that come from pages are refused.
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
    if (isFromPage(request)) this.refusePage(response);
    else this.router().routing(request, response);
  }

  private refusePage(response: ServerResponse): void {
    const detail = `This API takes no requests from web pages. Use the command line: ${this.options.command}.`;
    const body = JSON.stringify(new Problem('forbidden', detail));
    response.writeHead(403, { 'Content-Type': 'application/problem+json', Connection: 'close' }).end(body);
  }
}
