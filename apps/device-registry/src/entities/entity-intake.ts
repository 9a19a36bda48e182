import { Injectable } from '@nestjs/common';
import {
  deviceTopicId,
  type Entity,
  mainDevice,
  Problem,
  readDefaultTopicId,
  type TopicId,
  writeEntityTwin,
} from '@sallyport/protocol';
import { Clock, FaultLog, ServiceContext } from '@sallyport/runtime';
import { Entities } from './entities.js';
import { EntityDocuments } from './entity-documents.js';
import { isFinal } from './entity-limits.js';
import { entityTopic, fragmentText } from './entity-messages.js';
import { EntityPublications } from './entity-publications.js';
import { EntityRegistrations, isSameEntity } from './entity-registrations.js';
import { withParent } from './entity-rules.js';
import { type EntityTopic, readEntityTopic } from './entity-topic.js';
import { MainDevice } from './main-device.js';
import { PendingMessages } from './pending-messages.js';
import { readJson, readObject, readRegistrationMessage } from './registration-message.js';

/** A message of a device, as the broker delivered it. */
export interface EntityMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly isRetained: boolean;
}

/** What the intake asks about the broker. */
export interface RegistrationsAtBroker {
  /** Whether the broker has a registration at a topic. @throws Problem `unavailable` */
  hasRegistration(topic: string): Promise<boolean>;
}

/**
 * Takes what devices say about entities over MQTT, one message after the other. It does not ask who sent a message: at
 * level mutual the broker lets a device publish below `te/device/<its id>/` only.
 */
@Injectable()
export class EntityIntake {
  private readonly root: string;
  private readonly registersUnknown: boolean;
  private readonly pending = new PendingMessages();
  private readonly faults: FaultLog;
  private broker: RegistrationsAtBroker | undefined;

  constructor(
    context: ServiceContext,
    clock: Clock,
    private readonly entities: Entities,
    private readonly registrations: EntityRegistrations,
    private readonly documents: EntityDocuments,
    private readonly publications: EntityPublications,
    private readonly main: MainDevice,
  ) {
    this.root = context.settings.require('mqtt.topic_root');
    this.registersUnknown = context.settings.require('agent.entity_store.auto_register');
    this.faults = new FaultLog(context.log, clock, 'message about an entity was ignored');
  }

  /** Says where to ask about registrations from now on. */
  attach(broker: RegistrationsAtBroker): void {
    this.broker = broker;
  }

  /**
   * Stores what a message says. Resolves when it may be acknowledged, also when it is refused for what it is.
   *
   * @throws Problem `unavailable`, `storage-full`: not stored; the message must come again
   */
  async take(message: EntityMessage): Promise<void> {
    const read = readEntityTopic(this.root, message.topic);
    if (read === undefined) return;
    const { id, channel } = read;
    if (channel.kind === 'other' && (message.payload.length === 0 || this.entities.isKnown(id))) return;
    // It is of an entity that was removed, and will be gone soon.
    if (message.isRetained && this.publications.isClearing(id)) return;
    try {
      await this.store(message, read);
    } catch (error) {
      if (!isFinal(error)) throw error;
      this.faults.note(error);
    }
  }

  /**
   * Compares what came back of our own last message with what is stored. They differ if a message of a device came to the
   * broker just before ours: the broker keeps ours, but the later message to reach the store was the other one. What is
   * stored counts, so it is published again.
   */
  async compare({ topic, payload }: Pick<EntityMessage, 'topic' | 'payload'>): Promise<void> {
    const read = readEntityTopic(this.root, topic);
    const stored = read && (await this.entities.current()).tree.get(read.id);
    if (read === undefined || stored === undefined || payload.length === 0) return;
    const { id, channel } = read;
    if (channel.kind === 'registration') {
      const { entity } = readRegistrationMessage(id, payload);
      if (!isSameEntity(entity, stored)) await this.registrations.announceRegistration(id);
    } else if (channel.kind === 'twin') {
      const twin = new Map(Object.entries(await this.documents.read('twin', id)));
      if (fragmentText(twin.get(channel.key)) !== String(payload))
        await this.documents.announceFragment(id, channel.key);
    }
  }

  private async store(message: EntityMessage, { id, channel }: EntityTopic): Promise<void> {
    switch (channel.kind) {
      case 'registration':
        return message.payload.length === 0 ? this.deregister(id) : this.register(id, message);
      case 'twin':
        return this.takeTwin(message, id, channel.key);
      case 'config':
        return this.takeConfig(message, id);
      case 'other':
        if (!(await this.isRegistered(id))) await this.registerUnknown(id);
        return;
      default:
        channel satisfies never;
    }
  }

  private async register(id: TopicId, message: EntityMessage): Promise<void> {
    const registration = readRegistrationMessage(id, message.payload);
    const parent = withParent(registration.entity)['@parent'];
    const isPlaced = parent === undefined || parent === id || (await this.isRegistered(parent));
    if (!isPlaced) return this.hold(parent, id, message);
    if (await this.registrations.take(registration, message.isRetained)) await this.replay(id);
  }

  private async deregister(id: TopicId): Promise<void> {
    if (id === mainDevice) {
      this.faults.note(`The main device ${mainDevice} can not be removed. Its registration is published again.`);
      return this.main.announce();
    }
    // One of its kind that waits is withdrawn too.
    this.pending.release(id);
    for (let isComplete = false; !isComplete; ) isComplete = (await this.registrations.remove(id)).isComplete;
  }

  private async takeTwin(message: EntityMessage, id: TopicId, key: string): Promise<void> {
    if (!(await this.isReady(id, message))) return;
    const value = message.payload.length === 0 ? null : readJson(message.payload);
    const change = writeEntityTwin.request.parse({
      topicId: id,
      fragments: Object.fromEntries([[key, value]]),
      isWhole: false,
    });
    await this.documents.writeTwin(change, 'broker');
  }

  private async takeConfig(message: EntityMessage, id: TopicId): Promise<void> {
    if (!(await this.isReady(id, message))) return;
    await this.documents.writeConfig(id, message.payload.length === 0 ? undefined : readObject(message.payload));
  }

  /** Whether the entity of a message is registered, now if need be. Otherwise the message waits for it. */
  private async isReady(id: TopicId, message: EntityMessage): Promise<boolean> {
    if (await this.isRegistered(id)) return true;
    if (message.payload.length === 0) return false;
    if (await this.registerUnknown(id)) return true;
    this.hold(id, id, message);
    return false;
  }

  /**
   * Registers an entity whose first message has come, and its device. Only topic ids of the default scheme say what they
   * are. One that registers itself, but whose parent is unknown yet, waits for the parent.
   *
   * @returns whether it is registered now
   */
  private async registerUnknown(id: TopicId): Promise<boolean> {
    if (!this.registersUnknown || this.pending.holdsRegistrationOf(id, entityTopic(this.root, id))) return false;
    const read = readDefaultTopicId(id);
    if (read === undefined) {
      this.faults.note(
        `Auto registration of the entity with topic id ${id} failed as it does not match the default topic scheme: 'device/<device-id>/service/<service-id>'. Try explicit registration instead.`,
      );
      return false;
    }
    const { device, service } = read;
    const deviceId = deviceTopicId(device);
    const hasDevice =
      (await this.isRegistered(deviceId)) || (await this.registerByName(deviceId, 'child-device', device));
    return hasDevice && (service === undefined || (await this.registerByName(id, 'service', service)));
  }

  /**
   * The registration of an entity may be on its way, because a message at QoS 0 overtakes others. Ours would replace it at
   * the broker.
   *
   * @returns whether it is registered now
   */
  private async registerByName(id: TopicId, type: Entity['@type'], name: string): Promise<boolean> {
    if (this.broker === undefined) throw new Problem('unavailable', 'The broker is not there yet.');
    // To ask the broker takes long, and messages of all devices wait. So first what would refuse it anyway.
    await this.registrations.check({ '@topic-id': id, '@type': type });
    if (await this.broker.hasRegistration(entityTopic(this.root, id))) return false;
    await this.registrations.registerByMessage({ '@topic-id': id, '@type': type }, name);
    await this.replay(id);
    return true;
  }

  private hold(needed: TopicId, from: TopicId, { topic, payload, isRetained }: EntityMessage): void {
    if (this.pending.hold(needed, { topic, payload, isRetained, from })) return;
    this.faults.note(`A message of ${from} came before ${needed} was registered, and too many such messages wait.`);
  }

  private async replay(id: TopicId): Promise<void> {
    for (const message of this.pending.release(id)) await this.take(message);
  }

  private async isRegistered(id: TopicId): Promise<boolean> {
    return (await this.entities.current()).tree.has(id);
  }
}
