import { type MqttSession, openMqttSession } from '@sallyport/mqtt';
import {
  deviceId,
  type EntityFragments,
  type EntityType,
  findEntity,
  listEntities,
  Problem,
  readEntityConfig,
  readEntityTwin,
  registerEntity,
  removeEntity,
  topicId,
  updateEntity,
  writeEntityTwin,
} from '@sallyport/protocol';
import { RegistryUnderTest } from '../registry.fixture.js';

export interface RegisterOptions {
  readonly parent?: string;
  readonly type?: EntityType;
  readonly twin?: EntityFragments;
  /** The device that asks; absent: the gateway. */
  readonly by?: string;
}

/** Asks a registry about entities as the agent does. Topic ids are plain text. */
export class EntityClient {
  constructor(private readonly registry: RegistryUnderTest) {}

  async register(id: string, { parent, type, twin = {}, by }: RegisterOptions = {}): Promise<void> {
    const entity = {
      '@topic-id': topicId.parse(id),
      '@type': type ?? (id.includes('/service/') ? 'service' : 'child-device'),
      ...(parent === undefined ? {} : { '@parent': topicId.parse(parent) }),
    };
    await this.registry.ask(registerEntity, { entity, twin, ...changer(by) });
  }

  /** The entity as JSON; undefined if there is none. */
  async find(id: string): Promise<string | undefined> {
    const { entity } = await this.registry.ask(findEntity, { topicId: topicId.parse(id) });
    return entity && JSON.stringify(entity);
  }

  /** Topic ids of a list, in its order. */
  async list(filter: { root?: string; parent?: string; type?: EntityType } = {}): Promise<string[]> {
    const { root, parent, type } = filter;
    const asked = {
      ...(root === undefined ? {} : { root: topicId.parse(root) }),
      ...(parent === undefined ? {} : { parent: topicId.parse(parent) }),
      ...(type === undefined ? {} : { type }),
    };
    const { entities } = await this.registry.ask(listEntities, { filter: asked, offset: 0 });
    return entities.map((each) => each['@topic-id']);
  }

  async update(id: string, change: { parent?: string | null; health?: string | null }, by?: string): Promise<void> {
    const [parent, health] = [change.parent, change.health].map((each) => each && topicId.parse(each));
    await this.registry.ask(updateEntity, {
      topicId: topicId.parse(id),
      ...(parent === undefined || parent === '' ? {} : { parent }),
      ...(health === undefined || health === '' ? {} : { health }),
      ...changer(by),
    });
  }

  /** Topic ids of what was removed, in the order of removal. */
  async remove(id: string, by?: string): Promise<string[]> {
    const { removed } = await this.registry.ask(removeEntity, { topicId: topicId.parse(id), ...changer(by) });
    return removed.map((each) => each['@topic-id']);
  }

  async twin(id: string): Promise<EntityFragments> {
    return (await this.registry.ask(readEntityTwin, { topicId: topicId.parse(id) })).twin;
  }

  async config(id: string): Promise<EntityFragments> {
    const { config } = await this.registry.ask(readEntityConfig, { topicId: topicId.parse(id) });
    return config;
  }

  async writeTwin(id: string, fragments: EntityFragments, { isWhole = false, by }: WriteOptions = {}): Promise<void> {
    await this.registry.ask(writeEntityTwin, { topicId: topicId.parse(id), fragments, isWhole, ...changer(by) });
  }
}

interface WriteOptions {
  readonly isWhole?: boolean;
  readonly by?: string;
}

function changer(by: string | undefined) {
  return by === undefined ? {} : { changer: deviceId.parse(by) };
}

/** How a request was refused: type and text; "done" if it was not. */
export async function refusalOf(request: Promise<unknown>): Promise<string> {
  try {
    await request;
    return 'done';
  } catch (error) {
    if (error instanceof Problem) return `${error.type}: ${error.message}`;
    throw error;
  }
}

/** A client of the registry's broker that may use all topics, as a thin-edge.io process of the gateway. */
export class DeviceSide implements AsyncDisposable {
  /** Topic and payload of everything below `te/` since it connected, with what the broker had kept before. */
  readonly heard: string[] = [];
  private readonly session: MqttSession;

  private constructor(private readonly registry: RegistryUnderTest) {
    this.session = openMqttSession(registry.connection('device-side'), {
      isDurable: false,
      filters: [{ filter: 'te/#' }],
      onMessage: ({ topic, payload }) => void this.heard.push(`${topic} ${payload}`),
    });
  }

  static async open(registry: RegistryUnderTest): Promise<DeviceSide> {
    const side = new DeviceSide(registry);
    await side.session.connected(20_000);
    return side;
  }

  /** A retained message, as registrations and twins are. */
  async retain(topic: string, payload: string): Promise<void> {
    await this.session.publish(topic, payload, { retain: true });
  }

  async publish(topic: string, payload: string): Promise<void> {
    await this.session.publish(topic, payload);
  }

  /** What the broker keeps below a topic: topic and payload, sorted. */
  async retained(filter = 'te/#'): Promise<string[]> {
    const kept: string[] = [];
    const mark = Promise.withResolvers<void>();
    const session = openMqttSession(this.registry.connection('retained'), {
      isDurable: false,
      filters: [{ filter }, { filter: 'mark' }],
      onMessage: ({ topic, payload, isRetained }) => {
        if (topic === 'mark') mark.resolve();
        else if (isRetained) kept.push(`${topic} ${payload}`);
      },
    });
    await session.connected(20_000);
    await session.publish('mark', '');
    await mark.promise;
    await session.close();
    return kept.sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.session.close();
  }
}
