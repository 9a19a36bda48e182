import { Controller } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import type { AdminRoute } from '@sallyport/protocol';
import { z } from 'zod';
import { ServiceContext } from '../service-context.js';
import { openApiDocument } from './document.js';
import { Served, Serves } from './serves.js';

const describeApi = {
  method: 'GET',
  path: '/openapi.json',
  summary: 'Describes this API (OpenAPI 3.1).',
  response: z.record(z.string(), z.unknown()),
} as const satisfies AdminRoute;

// The version of the API, not of the software. It changes when clients have to change.
const version = '1';

/** The description of a service's admin API, made from the operations its controllers serve. */
@Controller()
export class OpenApiController {
  private readonly scanner = new MetadataScanner();
  private document: Readonly<Record<string, unknown>> | undefined;

  constructor(
    private readonly context: ServiceContext,
    private readonly discovery: DiscoveryService,
  ) {}

  @Serves(describeApi)
  describe(): Readonly<Record<string, unknown>> {
    this.document ??= openApiDocument({ title: `Sallyport ${this.context.name}: admin API`, version }, this.routes());
    return this.document;
  }

  private routes(): AdminRoute[] {
    return this.discovery.getControllers().flatMap((controller) => {
      const methods = this.scanner.getAllMethodNames(controller.metatype?.prototype);
      return methods
        .map((method) => this.discovery.getMetadataByDecorator(Served, controller, method))
        .filter((route) => route !== undefined);
    });
  }
}
