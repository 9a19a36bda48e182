import type { ServiceName } from '@sallyport/protocol';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { System } from './system.js';

const everywhere = ['GET /healthz', 'GET /metrics', 'GET /openapi.json', 'GET /readyz'];
const entrance = [
  'GET /v1/entrance',
  'POST /v1/entrance/enrol',
  'POST /v1/entrance/probes',
  'POST /v1/entrance/reload',
];
const audit = ['GET /v1/audit', 'GET /v1/audit/checkpoints', 'GET /v1/audit/verify'];
/** Of a service that has a journal outside its store. */
const journal = ['GET /v1/journal', 'POST /v1/journal/acknowledge'];

const services: readonly { readonly name: ServiceName; readonly operations: readonly string[] }[] = [
  { name: 'agent', operations: entrance },
  { name: 'mqtt-broker', operations: [...entrance, 'GET /v1/broker'] },
  { name: 'c8y-proxy', operations: entrance },
  {
    name: 'connector',
    operations: [
      ...entrance,
      ...audit,
      'DELETE /v1/devices/{id}/values',
      'GET /v1/devices/{id}/history',
      'GET /v1/devices/{id}/values',
      'PATCH /v1/devices/{id}/values',
    ],
  },
  {
    name: 'coap-gateway',
    operations: [
      ...entrance,
      ...audit,
      'DELETE /api/v1/devices/{id}/pending-commands/{command}',
      'DELETE /api/v1/devices/{id}/resources/{href}',
      'GET /api/v1/devices/{id}/pending-commands',
      'GET /api/v1/devices/{id}/resources',
      'GET /api/v1/devices/{id}/resources/{href}',
      'GET /v1/coap/devices',
      'GET /v1/coap/devices/{id}',
      'POST /api/v1/devices/{id}/authorization-codes',
      'POST /api/v1/devices/{id}/resources/{href}',
      'PUT /api/v1/devices/{id}/resources/{href}',
    ],
  },
  { name: 'mqtt-bridge', operations: ['GET /v1/bridges', 'POST /v1/bridges/reload'] },
  {
    name: 'device-registry',
    operations: [
      ...entrance,
      ...audit,
      ...journal,
      'DELETE /v1/allowed/{id}',
      'DELETE /v1/connectors/{name}',
      'DELETE /v1/connectors/{name}/draft',
      'DELETE /v1/connectors/{name}/draft/client-cas/{id}',
      'DELETE /v1/denied/{id}',
      'DELETE /v1/devices/{id}',
      'DELETE /v1/devices/{id}/secret',
      'DELETE /v1/tombstones/{id}',
      'DELETE /v1/webhooks/{name}',
      'GET /v1/allowed',
      'GET /v1/connectors',
      'GET /v1/connectors/{name}',
      'GET /v1/connectors/{name}/client-cas/{id}',
      'GET /v1/connectors/{name}/draft',
      'GET /v1/denied',
      'GET /v1/devices',
      'GET /v1/devices-export',
      'GET /v1/devices/{id}',
      'GET /v1/devices/{id}/certificates',
      'GET /v1/devices/{id}/timeline',
      'GET /v1/events',
      'GET /v1/status',
      'GET /v1/tombstones',
      'GET /v1/webhooks',
      'PATCH /v1/connectors/{name}/draft',
      'PATCH /v1/connectors/{name}/draft/client-cas/{id}',
      'POST /v1/allowed',
      'POST /v1/certificates/decode',
      'POST /v1/connectors',
      'POST /v1/connectors/{name}/client-cas/{id}/challenge',
      'POST /v1/connectors/{name}/client-cas/{id}/crl',
      'POST /v1/connectors/{name}/client-cas/{id}/proof',
      'POST /v1/connectors/{name}/draft/client-cas',
      'POST /v1/connectors/{name}/draft/rebase',
      'POST /v1/connectors/{name}/draft/save',
      'POST /v1/connectors/{name}/preview',
      'POST /v1/denied',
      'POST /v1/devices-import',
      'POST /v1/devices/{id}/expected-certificate',
      'POST /v1/devices/{id}/owner',
      'POST /v1/devices/{id}/password',
      'POST /v1/devices/{id}/tags',
      'POST /v1/devices/{id}/{action}',
      'POST /v1/takeovers',
      'POST /v1/webhooks/{name}',
    ],
  },
  {
    name: 'pki-signer',
    operations: [
      ...entrance,
      ...audit,
      ...journal,
      'DELETE /v1/enrollments/{deviceId}',
      'GET /v1/ca',
      'GET /v1/certificates',
      'GET /v1/certificates/{id}',
      'GET /v1/enrollments',
      'GET /v1/trust-bundle',
      'POST /v1/ca/export',
      'POST /v1/ca/import',
      'POST /v1/ca/prove',
      'POST /v1/ca/rotate',
      'POST /v1/certificates',
      'POST /v1/certificates/{id}/revoke',
      'POST /v1/enrollments',
    ],
  },
];

const description = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) });

describe('the admin API of each service', () => {
  let system: System;

  beforeAll(async () => {
    system = await System.start();
  });

  afterAll(() => system.stop());

  it.each(services)('is described by valid OpenAPI 3.1: $name', async ({ name }) => {
    const document = await system.admin(name).get('/openapi.json', z.record(z.string(), z.unknown()));
    expect(await new Validator().validate(document)).toEqual({ valid: true });
    expect(document['openapi']).toBe('3.1.1');
  });

  it.each(services)('is described whole: $name', async ({ name, operations }) => {
    const { paths } = await system.admin(name).get('/openapi.json', description);
    const described = Object.entries(paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described.toSorted()).toEqual([...everywhere, ...operations].toSorted());
  });
});
