import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendAnswer } from '@sallyport/http';
import type { RpcClient } from '@sallyport/mqtt';
import {
  type DeviceId,
  type EntityJson,
  findEntity,
  isTwinKey,
  Problem,
  readEntityConfig,
  readEntityTwin,
  registerEntity,
  type TopicId,
  updateEntity,
  writeEntityTwin,
} from '@sallyport/protocol';
import { PeerLost } from '../file-transfer/answer.js';
import type { PeerRule } from '../file-transfer/path-ownership.js';
import { percentDecoded } from '../file-transfer/request-target.js';
import { BodyRoom } from './body-room.js';
import {
  BadRequest,
  expectedBytes,
  readFilter,
  readFragments,
  readRegistration,
  readText,
  readUpdate,
  readValue,
} from './entity-body.js';
import { listAllEntities, removeAll } from './entity-registry.js';
import { badTwinKey, type EntityTarget, entitiesRoute, pathOf, readEntityTarget } from './entity-target.js';

export interface EntityHandlerOptions {
  /** Asks the device registry. */
  readonly rpc: RpcClient;
  /** The device whose rights count for a request; undefined: a party that may change every entity. */
  readonly changerOf: (req: IncomingMessage) => DeviceId | undefined;
  /** Returns the peer whose part of the memory for bodies a request uses. */
  readonly peerKeyOf: PeerRule;
  /** A connection without progress for this time during a request is ended; default 60 s. */
  readonly idleTimeoutMs?: number;
  /** Called for every internal error. The peer gets only "Internal error". */
  readonly onFault: (error: unknown, request: { method: string; path: string }) => void;
}

/** Of a body: JSON, plain text, or none. */
type Answer = {
  readonly status: number;
  readonly json?: EntityJson | readonly object[] | object;
  readonly text?: string;
  readonly headers?: readonly string[];
};

const notAllowed: Answer = { status: 405, json: { error: 'Method Not Allowed' } };

/**
 * The entity API of thin-edge.io, `/te/v1/entities`. The registry keeps the entities; this reads requests and writes
 * answers, byte for byte as thin-edge.io does. It never throws.
 */
export function entityHandler(options: EntityHandlerOptions): (req: IncomingMessage, res: ServerResponse) => void {
  const { idleTimeoutMs = 60_000 } = options;
  const api = new EntityApi(options);
  return (req, res) => {
    const begin = (): void => {
      req.socket.setTimeout(idleTimeoutMs);
      void api.serve(req, res);
    };
    // A request of a pipeline waits until the responses before it have ended (RFC 9112 §9.3.2).
    if (res.socket === null) res.once('socket', begin);
    else begin();
  };
}

class EntityApi {
  private readonly room = new BodyRoom();

  constructor(private readonly options: EntityHandlerOptions) {}

  async serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    try {
      send(req, res, await this.answerTo(req));
    } catch (error) {
      if (error instanceof PeerLost || req.socket.destroyed) return;
      send(req, res, this.refusal(req, error));
    }
  }

  private answerTo(req: IncomingMessage): Promise<Answer> | Answer {
    const target = targetOf(req);
    switch (target.kind) {
      case 'collection':
        return this.collection(req);
      case 'entity':
        return this.entity(req, target.id);
      case 'twin':
        return target.key === undefined ? this.twin(req, target.id) : this.fragment(req, target.id, target.key);
      case 'config':
        return this.config(req, target);
      case 'fault':
        return { status: target.status, json: { error: target.error } };
      default:
        return target satisfies never;
    }
  }

  private async collection(req: IncomingMessage): Promise<Answer> {
    const { rpc, changerOf } = this.options;
    switch (req.method) {
      case 'GET':
      case 'HEAD': {
        const query = new URLSearchParams((req.url ?? '').slice(pathOf(req.url ?? '').length + 1));
        return { status: 200, json: await listAllEntities(rpc, readFilter(query)) };
      }
      case 'POST': {
        return this.withBody(req, async (text) => {
          const registration = readRegistration(req.headers['content-type'], text);
          await rpc.call(registerEntity, { ...registration, ...changerField(changerOf(req)) });
          return { status: 201, json: { '@topic-id': registration.entity['@topic-id'] } };
        });
      }
      default:
        return { status: 405, headers: ['Allow', 'POST,GET,HEAD'] };
    }
  }

  private async entity(req: IncomingMessage, topicId: TopicId): Promise<Answer> {
    const { rpc, changerOf } = this.options;
    switch (req.method) {
      case 'GET':
      case 'HEAD': {
        const { entity } = await rpc.call(findEntity, { topicId });
        if (entity !== undefined) return { status: 200, json: entity };
        return { status: 404, json: { error: `Entity with topic id: ${topicId} not found` } };
      }
      case 'PATCH': {
        return this.withBody(req, async (text) => {
          const update = readUpdate(text);
          const { entity } = await rpc.call(updateEntity, { topicId, ...update, ...changerField(changerOf(req)) });
          return { status: 200, json: entity };
        });
      }
      case 'DELETE': {
        const removed = await removeAll(rpc, topicId, changerOf(req));
        return removed.length === 0 ? { status: 204 } : { status: 200, json: removed };
      }
      default:
        return otherMethod(req);
    }
  }

  private async twin(req: IncomingMessage, topicId: TopicId): Promise<Answer> {
    const { rpc } = this.options;
    switch (req.method) {
      case 'GET':
      case 'HEAD':
        return { status: 200, json: (await rpc.call(readEntityTwin, { topicId })).twin };
      case 'PUT': {
        return this.withBody(req, async (text) => {
          const fragments = readFragments(text);
          await this.write(req, { topicId, fragments, isWhole: true });
          return { status: 200, json: sortedMembers(fragments) };
        });
      }
      case 'DELETE':
        await this.write(req, { topicId, fragments: {}, isWhole: true });
        return { status: 204 };
      default:
        return otherMethod(req);
    }
  }

  private async fragment(req: IncomingMessage, topicId: TopicId, key: string): Promise<Answer> {
    const { rpc } = this.options;
    switch (req.method) {
      case 'GET':
      case 'HEAD': {
        const { twin } = await rpc.call(readEntityTwin, { topicId, key });
        return { status: 200, json: Object.values(twin)[0] ?? null };
      }
      case 'PUT': {
        return this.withBody(req, async (text) => {
          const value = readValue(text);
          if (!isTwinKey(key)) throw new BadRequest(400, badTwinKey(key), 'json');
          await this.write(req, { topicId, fragments: Object.fromEntries([[key, value]]), isWhole: false });
          return { status: 200, json: sortedMembers(value) };
        });
      }
      case 'DELETE':
        if (!isTwinKey(key)) throw new BadRequest(400, badTwinKey(key), 'json');
        await this.write(req, { topicId, fragments: Object.fromEntries([[key, null]]), isWhole: false });
        return { status: 204 };
      default:
        return otherMethod(req);
    }
  }

  private async config(req: IncomingMessage, { id, key }: { readonly id: TopicId; readonly key?: string }) {
    if (req.method !== 'GET' && req.method !== 'HEAD') return otherMethod(req);
    const request = { topicId: id, ...(key === undefined ? {} : { key }) };
    const { config } = await this.options.rpc.call(readEntityConfig, request);
    return { status: 200, json: key === undefined ? config : (Object.values(config)[0] ?? null) };
  }

  /** Reads the body, and answers while its memory is counted. */
  private async withBody(req: IncomingMessage, answer: (text: string) => Promise<Answer>): Promise<Answer> {
    const giveBack = this.room.take(this.options.peerKeyOf(req), expectedBytes(req));
    try {
      return await answer(await readText(req));
    } finally {
      giveBack();
    }
  }

  private async write(
    req: IncomingMessage,
    change: { topicId: TopicId; fragments: Record<string, EntityJson>; isWhole: boolean },
  ): Promise<void> {
    const { rpc, changerOf } = this.options;
    await rpc.call(writeEntityTwin, { ...change, ...changerField(changerOf(req)) });
  }

  private refusal(req: IncomingMessage, error: unknown): Answer {
    if (error instanceof BadRequest) {
      const { status, message, form } = error;
      return form === 'json' ? { status, json: { error: message } } : { status, text: message };
    }
    const path = pathOf(req.url ?? '');
    if (!(error instanceof Problem) || error.status === 500) {
      this.options.onFault(error, { method: req.method ?? '', path });
      return { status: 500, json: { error: 'Internal error' } };
    }
    const { status, message, retryAfterSeconds } = error;
    const headers = retryAfterSeconds === undefined ? [] : ['Retry-After', String(retryAfterSeconds)];
    return { status, headers, json: { error: message } };
  }
}

function targetOf(req: IncomingMessage): EntityTarget {
  const encoded = pathOf(req.url ?? '').slice(entitiesRoute.length + 1);
  return readEntityTarget(percentDecoded(encoded));
}

// The framework of thin-edge.io answers methods that no route of an entity knows.
const knownMethods = ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE'];

function otherMethod({ method = '' }: IncomingMessage): Answer {
  return knownMethods.includes(method) ? notAllowed : { status: 405, headers: ['Allow', knownMethods.join(',')] };
}

function changerField(changer: DeviceId | undefined): { changer?: DeviceId } {
  return changer === undefined ? {} : { changer };
}

/** thin-edge.io writes the members of every object in alphabetical order. */
function sortedMembers(value: EntityJson): EntityJson {
  if (Array.isArray(value)) return value.map(sortedMembers);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(members.map(([key, member]) => [key, sortedMembers(member)]));
}

function send(req: IncomingMessage, res: ServerResponse, { status, json, text, headers = [] }: Answer): void {
  const body = json === undefined ? text : JSON.stringify(json);
  const type = json === undefined ? 'text/plain; charset=utf-8' : 'application/json';
  const fields = [
    'X-Content-Type-Options',
    'nosniff',
    ...(body === undefined ? [] : ['Content-Type', type]),
    ...headers,
  ];
  sendAnswer(req, res, { status, headers: fields, ...(body === undefined ? {} : { body }) });
}
