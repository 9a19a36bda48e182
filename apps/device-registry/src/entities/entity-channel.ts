import { randomUUID } from 'node:crypto';
import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { pause } from '@sallyport/concurrency';
import type { MqttSession } from '@sallyport/mqtt';
import { mainDevice } from '@sallyport/protocol';
import { Clock, FaultLog, MqttSessions, ServiceContext } from '@sallyport/runtime';
import { Lease, Store } from '@sallyport/store';
import { EchoFilter } from './echo-filter.js';
import { Entities } from './entities.js';
import { EntityIntake } from './entity-intake.js';
import { EntityPublications, publication } from './entity-publications.js';
import { EntityRegistrations } from './entity-registrations.js';
import { dataFilters, readEntityTopic, stateFilters } from './entity-topic.js';
import { MainDevice } from './main-device.js';
import { RetainedTopics } from './retained-topics.js';

const resumeRetryMs = 1_000;
const leaseKey = 'entities/channel';

/**
 * The registry's side of thin-edge.io's MQTT scheme: one session that hears what devices say, and says what was changed
 * over HTTP. A message is acknowledged when it is stored. The session lasts over restarts of the registry, so a removal is
 * heard later too; what the broker keeps comes again at each connection.
 *
 * Among replicas one works at a time, because the order of messages counts.
 */
@Injectable()
export class EntityChannel implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly stopping = new AbortController();
  private readonly echoes: EchoFilter;
  private readonly root: string;
  private readonly faults: FaultLog;
  private running: Promise<void> = Promise.resolve();
  private announcing: Promise<void> | undefined;
  private isAnnouncementDue = false;

  constructor(
    private readonly context: ServiceContext,
    clock: Clock,
    private readonly store: Store,
    private readonly sessions: MqttSessions,
    private readonly intake: EntityIntake,
    private readonly publications: EntityPublications,
    private readonly entities: Entities,
    private readonly registrations: EntityRegistrations,
    private readonly main: MainDevice,
  ) {
    this.root = context.settings.require('mqtt.topic_root');
    this.echoes = new EchoFilter(() => clock.now().getTime());
    this.faults = new FaultLog(context.log, clock, 'fault of the entity channel, will be tried again');
  }

  async onApplicationBootstrap(): Promise<void> {
    const { settings } = this.context;
    // A child device has no registry of its own: the main device knows it.
    if (settings.require('mqtt.device_topic_id') !== mainDevice) return;
    await this.main.establish();
    const { signal } = this.stopping;
    const work = (until: AbortSignal) => this.work(until);
    const { mayHaveReplicas, replica: holder } = this.sessions;
    const lease = new Lease({ store: this.store, key: leaseKey, holder, onFault: this.faults.note });
    this.running = mayHaveReplicas ? lease.run(work, signal) : work(signal);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async work(signal: AbortSignal): Promise<void> {
    // It must know what is being cleared before it hears anything.
    while (!(await this.hasResumed())) {
      await pause(resumeRetryMs, { signal, ref: false });
      if (signal.aborted) return;
    }
    const link = this.openLink(signal);
    const onRetry = (error: unknown): void => this.faults.note(error);
    try {
      const publish = (topic: string, what: unknown) => this.publish(link, topic, what);
      await this.publications.outbox.run(publish, { signal, onRetry });
    } finally {
      await link.retained.close();
      await link.session.close();
      await this.announcing;
    }
  }

  private async hasResumed(): Promise<boolean> {
    try {
      await this.publications.resume(this.store);
      return true;
    } catch (error) {
      this.faults.note(error);
      return false;
    }
  }

  /** The broker has forgotten our session, so it may have forgotten what it kept, too. What is stored here counts. */
  private announceSoon(link: Link, signal: AbortSignal): void {
    this.isAnnouncementDue = true;
    this.announcing ??= this.announceUntilDone(link, signal).finally(() => {
      this.announcing = undefined;
    });
  }

  /** A broker that has just come back may not answer yet, or go away again. */
  private async announceUntilDone(link: Link, signal: AbortSignal): Promise<void> {
    while (this.isAnnouncementDue && !signal.aborted) {
      this.isAnnouncementDue = false;
      try {
        await this.announceMissing(link);
      } catch (error) {
        this.faults.note(error);
        this.isAnnouncementDue = true;
        await pause(resumeRetryMs, { signal, ref: false });
      }
    }
  }

  private async announceMissing({ retained }: Link): Promise<void> {
    const mark = `${this.root}/${randomUUID()}///`;
    const topics = await retained.list(`${this.root}/${stateFilters[0]}`, mark);
    const kept = new Set(topics.map((topic) => readEntityTopic(this.root, topic)?.id));
    const { tree } = await this.entities.current();
    const missing = tree.list({}).filter(({ '@topic-id': id }) => !kept.has(id));
    for (const { '@topic-id': id } of missing) await this.registrations.announce(id);
  }

  private openLink(signal: AbortSignal): Link {
    const state = stateFilters.map((filter) => ({ filter: `${this.root}/${filter}` }));
    const data = dataFilters.map((filter) => ({ filter: `${this.root}/${filter}`, qos: 0 as const }));
    const session: MqttSession = this.sessions.openShared('entities', {
      isDurable: true,
      filters: [...state, ...data],
      onMessage: ({ topic, payload, isRetained }) => {
        // An answer that does not have to wait needs no promise: most messages are measurements of known devices.
        if (!this.echoes.take(topic, payload)) return this.intake.take({ topic, payload, isRetained });
        return this.echoes.isLatest(topic, payload) ? this.intake.compare({ topic, payload }) : undefined;
      },
      onConnected: ({ isResumed }) => {
        if (isResumed) return;
        this.echoes.clear();
        this.announceSoon(link, signal);
      },
      onFault: this.faults.note,
    });
    const clear = (topic: string) => this.retain(session, topic, '');
    const link: Link = { session, retained: new RetainedTopics({ sessions: this.sessions, clear }) };
    this.intake.attach(link.retained);
    return link;
  }

  private async publish({ session, retained }: Link, topic: string, what: unknown): Promise<void> {
    const message = publication.parse(what);
    if ('text' in message) return this.retain(session, topic, message.text);
    await retained.clearAll(topic);
    this.publications.cleared(message.removed);
    // It may have registered again in the meantime, and its new registration was just cleared with the old one.
    await this.registrations.announce(message.removed);
  }

  private async retain(session: MqttSession, topic: string, text: string): Promise<void> {
    this.echoes.expect(topic, text);
    await session.publish(topic, text, { retain: true });
  }
}

/** The sessions of the channel while it works. */
interface Link {
  readonly session: MqttSession;
  readonly retained: RetainedTopics;
}
