import { Controller, Header, Res } from '@nestjs/common';
import { healthRoutes } from '@sallyport/protocol';
import type { FastifyReply } from 'fastify';
import { Registry } from 'prom-client';
import { Serves } from '../openapi/serves.js';
import { ServiceContext } from '../service-context.js';
import { processMetricsRegistry } from './metrics.js';
import type { ReadinessReport } from './readiness.js';

/** Liveness, readiness and metrics: the same three routes on every service. */
@Controller()
export class HealthController {
  constructor(private readonly context: ServiceContext) {}

  @Serves(healthRoutes.health)
  health(): { status: 'alive' } {
    return { status: 'alive' };
  }

  @Serves(healthRoutes.readiness)
  async readiness(@Res({ passthrough: true }) reply: FastifyReply): Promise<ReadinessReport> {
    const report = await this.context.readiness.report();
    reply.status(report.ready ? 200 : 503);
    return report;
  }

  @Serves(healthRoutes.metrics)
  @Header('content-type', healthRoutes.metrics.textType)
  async metrics(): Promise<string> {
    return Registry.merge([processMetricsRegistry(), this.context.metrics]).metrics();
  }
}
