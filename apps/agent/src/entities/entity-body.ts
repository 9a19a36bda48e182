import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import {
  type Entity,
  type EntityFilter,
  type EntityFragments,
  type EntityJson,
  entityType,
  parseTopicId,
  type TopicId,
} from '@sallyport/protocol';
import { receiveBody } from '../file-transfer/request-body.js';
import { describeJson, JsonFault, readJson } from './json-text.js';

/** As in thin-edge.io. */
const longestBodyBytes = 1024 * 1024;

/** A request that is refused before the registry is asked. */
export class BadRequest extends Error {
  override readonly name = 'BadRequest';

  /** @param form how the text is sent: thin-edge.io answers some faults with plain text and the others with JSON */
  constructor(
    readonly status: 400 | 413 | 415 | 422,
    message: string,
    readonly form: 'json' | 'text',
  ) {
    super(message);
  }
}

/** The memory that the body of a request may take, as far as its head says it. */
export function expectedBytes({ headers }: IncomingMessage): number {
  return Math.min(Number(headers['content-length'] ?? longestBodyBytes), longestBodyBytes);
}

/**
 * Reads a body of at most 1 MiB.
 *
 * @throws BadRequest: it is longer, or is not UTF-8
 * @throws PeerLost
 */
export async function readText(req: IncomingMessage): Promise<string> {
  const tooLong = new BadRequest(413, 'Failed to buffer the request body: length limit exceeded', 'text');
  if (Number(req.headers['content-length'] ?? 0) > longestBodyBytes) throw tooLong;
  const chunks: Buffer[] = [];
  let bytes = 0;
  await receiveBody(req, (chunk) => {
    bytes += chunk.length;
    if (bytes > longestBodyBytes) throw tooLong;
    chunks.push(chunk);
    return undefined;
  });
  const body = Buffer.concat(chunks);
  if (!isUtf8(body)) throw new BadRequest(400, "Request body didn't contain valid UTF-8", 'text');
  return body.toString('utf8');
}

/** Runs what reads JSON. A fault in it is answered with status 400. */
function orBadRequest<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw error instanceof JsonFault ? new BadRequest(400, error.message, 'json') : error;
  }
}

/** @throws BadRequest */
export function readValue(text: string): EntityJson {
  return orBadRequest(() => readJson(text).value);
}

/** @throws BadRequest: no JSON, or no object */
export function readFragments(text: string): EntityFragments {
  return orBadRequest(() => {
    const { value, end } = readJson(text);
    if (isObject(value)) return value;
    throw new JsonFault(`invalid type: ${describeJson(value)}, expected a map${end}`);
  });
}

/** The body of PATCH. @throws BadRequest */
export function readUpdate(text: string): { parent?: TopicId | null; health?: TopicId | null } {
  return orBadRequest(() => {
    const { value, end, keyEnds } = readJson(text);
    if (!isObject(value)) throw new JsonFault(`invalid type: ${describeJson(value)}, expected a map${end}`);
    const fields = new Map(Object.entries(value));
    for (const key of fields.keys())
      if (key !== '@parent' && key !== '@health')
        throw new JsonFault(`unknown field \`${key}\`, expected \`@parent\` or \`@health\`${keyEnds.get(key) ?? end}`);
    const [parent, health] = (['@parent', '@health'] as const).map((field) => readReference(fields.get(field), end));
    return { ...(parent === undefined ? {} : { parent }), ...(health === undefined ? {} : { health }) };
  });
}

function readReference(value: EntityJson | undefined, end: string): TopicId | null | undefined {
  return value === undefined || value === null ? value : referenceIn(value, end);
}

function referenceIn(value: EntityJson, end: string): TopicId {
  const read = parseTopicId(textIn(value, end));
  if ('fault' in read) throw new JsonFault(`${read.fault}${end}`);
  return read.id;
}

function textIn(value: EntityJson, end: string): string {
  if (typeof value === 'string') return value;
  throw new JsonFault(`invalid type: ${describeJson(value)}, expected a string${end}`);
}

/**
 * The body of POST: an entity, and the first fragments of its twin.
 *
 * @throws BadRequest 415, 400, 422: as plain text, because thin-edge.io reads it with a part of its framework
 */
export function readRegistration(
  contentType: string | undefined,
  text: string,
): { entity: Entity; twin: EntityFragments } {
  if (!isJsonType(contentType))
    throw new BadRequest(415, 'Expected request with `Content-Type: application/json`', 'text');
  const read = inText(400, 'Failed to parse the request body as JSON: ', () => readJson(text));
  return inText(422, 'Failed to deserialize the JSON body into the target type: ', () =>
    registrationIn(read.value, read.end),
  );
}

/** @see RFC 6839 §3.1: `+json` marks other types that are JSON. */
function isJsonType(contentType = ''): boolean {
  const [type = ''] = contentType.split(';');
  return /^application\/(?:[^\s/]+\+)?json$/i.test(type.trim());
}

function inText<Result>(status: 400 | 422, introduction: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw error instanceof JsonFault ? new BadRequest(status, introduction + error.message, 'text') : error;
  }
}

function registrationIn(value: EntityJson, end: string): { entity: Entity; twin: EntityFragments } {
  if (!isObject(value)) throw new JsonFault(`invalid type: ${describeJson(value)}, expected a map${end}`);
  const fields = new Map(Object.entries(value));
  const take = <Result>(field: string, read: (value: EntityJson) => Result): Result | undefined => {
    const found = fields.get(field);
    fields.delete(field);
    return found === undefined || found === null ? undefined : read(found);
  };
  const id = take('@topic-id', (each) => referenceIn(each, end));
  const type = take('@type', (each) => typeIn(each, end));
  const parent = take('@parent', (each) => referenceIn(each, end));
  const externalId = take('@id', (each) => externalIdIn(each, end));
  const health = take('@health', (each) => referenceIn(each, end));
  if (id === undefined) throw new JsonFault(`missing field \`@topic-id\`${end}`);
  if (type === undefined) throw new JsonFault(`missing field \`@type\`${end}`);
  const entity = {
    '@topic-id': id,
    ...(parent === undefined ? {} : { '@parent': parent }),
    '@type': type,
    ...(externalId === undefined ? {} : { '@id': externalId }),
    ...(health === undefined ? {} : { '@health': health }),
  };
  return { entity, twin: Object.fromEntries(fields) };
}

function typeIn(value: EntityJson, end: string): Entity['@type'] {
  const text = textIn(value, end);
  const { data: type } = entityType.safeParse(text);
  if (type !== undefined) return type;
  throw new JsonFault(`unknown variant \`${text}\`, expected one of \`device\`, \`child-device\`, \`service\`${end}`);
}

function externalIdIn(value: EntityJson, end: string): string {
  const text = textIn(value, end);
  if (text !== '' && text.length <= 256) return text;
  throw new JsonFault(`\`@id\` has ${text.length} characters, expected 1 to 256${end}`);
}

/** The query of a list; empty values count as absent. @throws BadRequest */
export function readFilter(query: URLSearchParams): EntityFilter {
  const [root, parent] = (['root', 'parent'] as const).map((name) => topicIdIn(query.get(name)));
  const type = typeInQuery(query.get('type'));
  if (root !== undefined && parent !== undefined)
    throw new BadRequest(
      400,
      'The provided parameters: root and parent are mutually exclusive. Use either one.',
      'json',
    );
  return {
    ...(root === undefined ? {} : { root }),
    ...(parent === undefined ? {} : { parent }),
    ...(type === undefined ? {} : { type }),
  };
}

function topicIdIn(value: string | null): TopicId | undefined {
  if (value === null || value === '') return undefined;
  const read = parseTopicId(value);
  if ('fault' in read) throw new BadRequest(400, read.fault, 'json');
  return read.id;
}

function typeInQuery(value: string | null): Entity['@type'] | undefined {
  if (value === null || value === '') return undefined;
  const { data: type } = entityType.safeParse(value);
  if (type === undefined) throw new BadRequest(400, `Invalid entity type: ${value}`, 'json');
  return type;
}

function isObject(value: EntityJson): value is EntityFragments {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
