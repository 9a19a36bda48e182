import { Controller, Header, Res } from '@nestjs/common';
import type { AdminRoute } from '@sallyport/protocol';
import type { FastifyReply } from 'fastify';
import { Registry } from 'prom-client';
import { z } from 'zod';
import { Serves } from '../openapi/serves.js';
import { ServiceContext } from '../service-context.js';
import { metricsContentType, processMetricsRegistry } from './metrics.js';
import type { ReadinessReport } from './readiness.js';

const healthRoutes = {
  health: {
    method: 'GET',
    path: '/healthz',
    summary: 'Answers that the process lives.',
    response: z.strictObject({ status: z.literal('alive') }),
  },
  readiness: {
    method: 'GET',
    path: '/readyz',
    summary: 'Answers 200 while everything the service depends on works, and else 503 with what does not.',
    response: z.strictObject({ ready: z.boolean(), faults: z.record(z.string(), z.string()) }),
  },
  metrics: {
    method: 'GET',
    path: '/metrics',
    summary: 'Shows the metrics of the service and of its process, for Prometheus.',
    response: z.string(),
    textType: metricsContentType,
  },
} as const satisfies Record<string, AdminRoute>;

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
  @Header('content-type', metricsContentType)
  async metrics(): Promise<string> {
    return Registry.merge([processMetricsRegistry(), this.context.metrics]).metrics();
  }
}
