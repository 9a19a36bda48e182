import { z } from 'zod';
import type { AdminRoute } from './admin-route.js';

/** What a service needs and does not have, by dependency; none when it is ready. */
const readinessReport = z.strictObject({ ready: z.boolean(), faults: z.record(z.string(), z.string()) });

/** Liveness, readiness and metrics: the same three routes on every service. */
export const healthRoutes = {
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
    response: readinessReport,
    otherStatuses: [503],
  },
  metrics: {
    method: 'GET',
    path: '/metrics',
    summary: 'Shows the metrics of the service and of its process, for Prometheus.',
    response: z.string(),
    textType: 'text/plain; version=0.0.4; charset=utf-8',
  },
} as const satisfies Record<string, AdminRoute>;
