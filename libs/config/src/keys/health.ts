import { ipAddress, nonZeroPort } from '../network-values.js';
import { optionalSetting, setting } from '../setting.js';

const isOwn = true;

/** Probes and metrics of a process over TCP, for those that cannot read a Unix socket. */
export const healthKeys = {
  'health.bind.address': setting(ipAddress, {
    doc: 'Address each process of Sallyport shows its probes and metrics on, once `health.bind.port` is set. A change needs a restart.',
    default: '127.0.0.1',
    examples: ['127.0.0.1', '0.0.0.0'],
    isOwn,
  }),
  'health.bind.port': optionalSetting(nonZeroPort, {
    doc: 'Port of `/healthz`, `/readyz` and `/metrics` over plain HTTP, for Kubernetes and Prometheus: no one is asked who they are, and nothing else is served. Unset: no such port. Services that share a machine and a configuration directory need a port each: set `TEDGE_HEALTH_BIND_PORT` for each of them. A change needs a restart.',
    examples: ['9100'],
    isOwn,
  }),
} as const;
