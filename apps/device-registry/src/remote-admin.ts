import type { IncomingMessage, ServerResponse } from 'node:http';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { configuredSource, Entrances } from '@sallyport/entrance';
import { ServiceContext } from '@sallyport/runtime';

/** The part of Fastify that takes a request from a server of our own. */
interface Router {
  routing(request: IncomingMessage, response: ServerResponse): void;
}

/** Offers the admin API on the network too: at level mutual only, and to certificates of kind `admin` only. */
@Injectable()
export class RemoteAdmin implements OnApplicationBootstrap {
  constructor(
    private readonly context: ServiceContext,
    private readonly entrances: Entrances,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.entrances.open({
      name: 'registry admin API',
      source: configuredSource(this.context, 'registry'),
      handler: { http: (request, response) => this.router.routing(request, response) },
      permittedKinds: new Set(['admin']),
      mutualOnly: true,
    });
  }

  private get router(): Router {
    return this.adapterHost.httpAdapter.getInstance<Router>();
  }
}
