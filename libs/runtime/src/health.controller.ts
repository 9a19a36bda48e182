import { Controller, Get, Header, HttpCode, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Registry } from 'prom-client';
import { processMetricsRegistry } from './metrics.js';
import type { ReadinessReport } from './readiness.js';
import { ServiceContext } from './service-context.js';

/** Liveness, readiness and metrics: the same three routes on every service. */
@Controller()
export class HealthController {
  constructor(private readonly context: ServiceContext) {}

  @Get('healthz')
  @HttpCode(200)
  health(): { status: 'alive' } {
    return { status: 'alive' };
  }

  @Get('readyz')
  async readiness(@Res({ passthrough: true }) reply: FastifyReply): Promise<ReadinessReport> {
    const report = await this.context.readiness.report();
    reply.status(report.ready ? 200 : 503);
    return report;
  }

  @Get('metrics')
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  async metrics(): Promise<string> {
    return Registry.merge([processMetricsRegistry(), this.context.metrics]).metrics();
  }
}
