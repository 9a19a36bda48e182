import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openApiDocument } from './document.js';

const api = { title: 'Example', version: '1' };

function operation(path: string, method: string, route: Parameters<typeof openApiDocument>[1][number]): unknown {
  const { paths } = z
    .object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) })
    .parse(openApiDocument(api, [route]));
  return paths[path]?.[method];
}

const problem = { $ref: '#/components/responses/Problem' };

describe('the OpenAPI description of an admin API', () => {
  it('names version, title and every path in order', () => {
    const [b, a] = ['/b', '/a'].map((path) => ({ method: 'GET' as const, path, summary: path }));
    const document = openApiDocument(
      api,
      [b, a].filter((route) => route !== undefined),
    );
    expect(document).toMatchObject({ openapi: '3.1.1', info: { title: 'Example', version: '1' } });
    expect(Object.keys(z.object({ paths: z.record(z.string(), z.unknown()) }).parse(document).paths)).toEqual([
      '/a',
      '/b',
    ]);
  });

  it('gives the methods of one path together', () => {
    const [get, remove] = (['GET', 'DELETE'] as const).map((method) => ({ method, path: '/a', summary: method }));
    const document = openApiDocument(
      api,
      [get, remove].filter((route) => route !== undefined),
    );
    expect(document).toMatchObject({ paths: { '/a': { get: { summary: 'GET' }, delete: { summary: 'DELETE' } } } });
  });

  it('shows a parameter of the path with what it may be', () => {
    const name = z.string().max(64);
    expect(
      operation('/things/{name}', 'delete', {
        ...{ method: 'DELETE', path: '/things/:name', summary: 'Removes one.' },
        parameters: { name },
      }),
    ).toEqual({
      summary: 'Removes one.',
      parameters: [{ name: 'name', in: 'path', required: true, schema: { type: 'string', maxLength: 64 } }],
      responses: { 204: { description: 'Success.' }, default: problem },
    });
  });

  it('shows numbers of a query as numbers, and which may be left out', () => {
    const query = z.object({ limit: z.coerce.number().int().min(1).max(9).default(3), after: z.string() });
    expect(operation('/things', 'get', { method: 'GET', path: '/things', summary: 'Lists.', query })).toMatchObject({
      parameters: [
        {
          ...{ name: 'limit', in: 'query', required: false },
          schema: { type: 'integer', minimum: 1, maximum: 9, default: 3 },
        },
        { name: 'after', in: 'query', required: true, schema: { type: 'string' } },
      ],
    });
  });

  it.each([
    ['needs a body when a value has no default', z.object({ name: z.string() }), true],
    ['lets a body be left out when all values have defaults', z.object({ name: z.string().default('x') }), false],
  ])('%s', (_, request, required) => {
    expect(operation('/a', 'post', { method: 'POST', path: '/a', summary: 'Does.', request })).toMatchObject({
      requestBody: { required, content: { 'application/json': { schema: { type: 'object' } } } },
    });
  });

  it.each([
    ['optional', false],
    ['required', true],
  ] as const)('shows that a version is %s', (ifMatch, required) => {
    expect(operation('/a', 'delete', { method: 'DELETE', path: '/a', summary: 'Removes.', ifMatch })).toMatchObject({
      parameters: [{ name: 'If-Match', in: 'header', required, schema: { type: 'string' } }],
    });
  });

  it('shows the answer under its own status', () => {
    const response = z.object({ made: z.boolean() });
    expect(
      operation('/a', 'post', { method: 'POST', path: '/a', summary: 'Makes.', response, status: 201 }),
    ).toMatchObject({
      responses: {
        201: { content: { 'application/json': { schema: { properties: { made: { type: 'boolean' } } } } } },
        default: problem,
      },
    });
  });
});
