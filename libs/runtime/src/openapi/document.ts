import type { AdminRoute } from '@sallyport/protocol';
import { z } from 'zod';
import { statusOf } from './serves.js';

type Json = Readonly<Record<string, unknown>>;

/** RFC 9457 §3.1. */
const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail'],
  properties: {
    type: { type: 'string', description: 'Stable name of the kind of problem: urn:sallyport:problem:...' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What happened, with which value, and what to do.' },
  },
};

/**
 * Describes an admin API as OpenAPI 3.1.
 *
 * @param api      its title and version
 * @param routes   every operation of it
 * @see OpenAPI 3.1.1 §4.8; its schemas are JSON Schema 2020-12
 */
export function openApiDocument(api: { title: string; version: string }, routes: readonly AdminRoute[]): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes.toSorted(byPath)) {
    const path = route.path.replaceAll(/[:*](\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationFrom(route) };
  }
  const problem = { description: 'What went wrong (RFC 9457).', content: problemContent() };
  return {
    openapi: '3.1.1',
    info: api,
    paths,
    components: { schemas: { Problem: problemSchema }, responses: { Problem: problem } },
  };
}

function byPath(one: AdminRoute, other: AdminRoute): number {
  return one.path < other.path ? -1 : Number(one.path > other.path);
}

function operationFrom(route: AdminRoute): Json {
  const parameters = [...pathParameters(route), ...queryParameters(route), ...versionParameter(route)];
  return {
    summary: route.summary,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(route.request === undefined ? {} : { requestBody: requestBody(route.request) }),
    responses: {
      [statusOf(route)]: { description: 'Success.', ...responseContent(route) },
      default: { $ref: '#/components/responses/Problem' },
    },
  };
}

function pathParameters({ parameters = {} }: AdminRoute): Json[] {
  return Object.entries(parameters).map(([name, schema]) => ({
    name,
    in: 'path',
    required: true,
    schema: schemaOf(schema, 'input'),
  }));
}

/** Described by the parsed values. In the query itself every value is text. */
function queryParameters({ query }: AdminRoute): Json[] {
  return Object.entries(query?.shape ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: !schema.safeParse(undefined).success,
    schema: schemaOf(schema, 'output'),
  }));
}

function versionParameter({ ifMatch }: AdminRoute): Json[] {
  if (ifMatch === undefined) return [];
  const description = 'The version the request is about (RFC 9110 §13.1.1).';
  return [
    { name: 'If-Match', in: 'header', required: ifMatch === 'required', description, schema: { type: 'string' } },
  ];
}

/** The body is optional if all of its values have defaults. */
function requestBody(request: z.ZodType): Json {
  const content = { 'application/json': { schema: schemaOf(request, 'input') } };
  return { required: !request.safeParse({}).success, content };
}

function responseContent({ response, textType }: AdminRoute): Json {
  if (response === undefined) return {};
  return { content: { [textType ?? 'application/json']: { schema: schemaOf(response, 'output') } } };
}

function problemContent(): Json {
  return { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, $defs: __, ...described } = z.toJSONSchema(schema, { io });
  // Only the schema of any JSON value names itself. Its reference would lead nowhere here, and "{}" says the same.
  const text = JSON.stringify(described, (_key, value: unknown) => (isReference(value) ? {} : value));
  return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
}

function isReference(value: unknown): boolean {
  return typeof value === 'object' && value !== null && '$ref' in value;
}
