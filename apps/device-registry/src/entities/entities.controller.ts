import { Controller } from '@nestjs/common';
import { RpcHandler } from '@sallyport/mqtt';
import {
  type DeviceId,
  type EntityFilter,
  type EntityRegistration,
  type EntityUpdate,
  findEntity,
  listEntities,
  readEntityConfig,
  readEntityTwin,
  registerEntity,
  removeEntity,
  type TopicId,
  type TwinChange,
  updateEntity,
  writeEntityTwin,
} from '@sallyport/protocol';
import { Entities } from './entities.js';
import { EntityDocuments } from './entity-documents.js';
import { EntityRegistrations } from './entity-registrations.js';

// Each has at most 1.5 KB.
const listedAtOnce = 500;

/** What the agent asks the registry about entities (RPC over MQTT). */
@Controller()
export class EntitiesController {
  constructor(
    private readonly entities: Entities,
    private readonly registrations: EntityRegistrations,
    private readonly documents: EntityDocuments,
  ) {}

  @RpcHandler(registerEntity)
  async register(registration: EntityRegistration): Promise<Record<string, never>> {
    await this.registrations.register(registration);
    return {};
  }

  @RpcHandler(findEntity)
  async find({ topicId }: { readonly topicId: TopicId }) {
    const found = (await this.entities.current()).tree.get(topicId);
    return found === undefined ? {} : { entity: found };
  }

  @RpcHandler(listEntities)
  async list({ filter, offset }: { readonly filter: EntityFilter; readonly offset: number }) {
    const { tree, revision: version } = await this.entities.current();
    const all = tree.list(filter);
    const entities = all.slice(offset, offset + listedAtOnce);
    return { entities, version, isComplete: offset + entities.length >= all.length };
  }

  @RpcHandler(updateEntity)
  async update(update: EntityUpdate) {
    return { entity: await this.registrations.update(update) };
  }

  @RpcHandler(removeEntity)
  remove({ topicId, changer }: { readonly topicId: TopicId; readonly changer?: DeviceId | undefined }) {
    return this.registrations.remove(topicId, changer);
  }

  @RpcHandler(readEntityTwin)
  async readTwin({ topicId, key }: { readonly topicId: TopicId; readonly key?: string | undefined }) {
    return { twin: await this.documents.read('twin', topicId, key) };
  }

  @RpcHandler(writeEntityTwin)
  async writeTwin(change: TwinChange): Promise<Record<string, never>> {
    await this.documents.writeTwin(change, 'request');
    return {};
  }

  @RpcHandler(readEntityConfig)
  async readConfig({ topicId, key }: { readonly topicId: TopicId; readonly key?: string | undefined }) {
    return { config: await this.documents.read('config', topicId, key) };
  }
}
