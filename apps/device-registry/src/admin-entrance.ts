import type { IncomingMessage, ServerResponse } from 'node:http';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { configuredEntrance, Entrances } from '@sallyport/entrance';
import { Problem } from '@sallyport/protocol';
import { ConnectedContext } from '@sallyport/runtime';

/** The part of Fastify that takes a request from a server of our own. */
interface Router {
  routing(request: IncomingMessage, response: ServerResponse): void;
}

/**
 * Offers the admin API on the network too: at level mutual only, and to certificates of kind `admin` only. A browser
 * that holds such a certificate shows it for whatever page asks, so requests that come from pages are refused.
 */
@Injectable()
export class AdminEntrance implements OnApplicationBootstrap {
  constructor(
    private readonly context: ConnectedContext,
    private readonly entrances: Entrances,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.entrances.open({
      ...configuredEntrance(this.context, 'registry'),
      handler: { http: (request, response) => this.pass(request, response) },
    });
  }

  private pass(request: IncomingMessage, response: ServerResponse): void {
    // Fetch §3.2: every browser sends Origin with what may change something, and no other client does.
    if (request.headers.origin === undefined) this.router.routing(request, response);
    else refusePage(response);
  }

  private get router(): Router {
    return this.adapterHost.httpAdapter.getInstance<Router>();
  }
}

function refusePage(response: ServerResponse): void {
  const detail = 'This API takes no requests from web pages. Use the command line: sallyport device.';
  const body = JSON.stringify(new Problem('forbidden', detail));
  response.writeHead(403, { 'Content-Type': 'application/problem+json', Connection: 'close' }).end(body);
}
