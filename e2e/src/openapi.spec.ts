import type { ServiceName } from '@sallyport/protocol';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { System } from './system.js';

const everywhere = ['GET /healthz', 'GET /metrics', 'GET /openapi.json', 'GET /readyz'];
const entrance = ['GET /v1/entrance', 'POST /v1/entrance/enrol', 'POST /v1/entrance/reload'];
const audit = ['GET /v1/audit', 'GET /v1/audit/verify'];

const services: readonly { readonly name: ServiceName; readonly operations: readonly string[] }[] = [
  { name: 'agent', operations: entrance },
  { name: 'mqtt-broker', operations: [...entrance, 'GET /v1/broker'] },
  { name: 'c8y-proxy', operations: entrance },
  { name: 'connector', operations: entrance },
  { name: 'mqtt-bridge', operations: ['GET /v1/bridges', 'POST /v1/bridges/reload'] },
  {
    name: 'device-registry',
    operations: [
      ...entrance,
      ...audit,
      'GET /v1/devices',
      'GET /v1/devices/{id}',
      'GET /v1/status',
      'POST /v1/devices/{id}/{action}',
      'POST /v1/takeovers',
    ],
  },
  {
    name: 'pki-signer',
    operations: [
      ...entrance,
      ...audit,
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
