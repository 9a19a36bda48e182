import type { Settings } from '@sallyport/config';
import type { MqttMessage, MqttSession } from '@sallyport/mqtt';
import { readDefaultTopicId, type ServiceName, type TopicId, topicId } from '@sallyport/protocol';
import { z } from 'zod';
import type { Clock } from '../clock.js';
import type { MqttSessions } from '../mqtt-sessions.js';

// The end of a service must not wait long for a broker that is away.
const goodbyeDeadlineMs = 1_000;

const anyJsonObject = z.looseObject({});
const statusMessage = z.looseObject({ status: z.string() });

export interface MqttHealthOptions {
  readonly service: ServiceName;
  readonly sessions: MqttSessions;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly onFault: (fault: Error) => void;
}

/** The topics of a service. Its name begins with `sallyport-`, so that it is never that of a process of thin-edge.io. */
interface HealthTopics {
  readonly registration: string;
  readonly status: string;
  readonly checks: readonly string[];
}

/**
 * Shows a service to thin-edge.io: registers it, shows its health, and answers health checks, of this service and of the
 * whole device. When the connection is lost, the broker says that it is down.
 *
 * Replicas of a service share its topics. So when another one says that it is down, this one says that it is up.
 */
export class MqttHealth {
  private readonly session: MqttSession;
  private isClosing = false;

  private constructor(
    private readonly options: MqttHealthOptions,
    private readonly topics: HealthTopics,
    private readonly registration: string,
  ) {
    const will = { topic: topics.status, payload: statusText('down'), qos: 1 as const, retain: true };
    this.session = options.sessions.open('health', {
      isDurable: false,
      will,
      filters: [topics.status, ...topics.checks].map((filter) => ({ filter })),
      // MQTT.js hears no PUBACK while a single message is handled, and the handler publishes.
      window: 4,
      onMessage: (message) => this.answer(message),
      onConnected: () => void this.show().catch(options.onFault),
      onFault: options.onFault,
    });
  }

  /**
   * Connects in the background, and goes on trying.
   *
   * @returns undefined when the topic id of this device is of a custom scheme: then nobody knows those of its services
   */
  static open(options: MqttHealthOptions): MqttHealth | undefined {
    const { settings, service } = options;
    const device = topicId.parse(settings.require('mqtt.device_topic_id'));
    const topics = topicsOf(settings.require('mqtt.topic_root'), device, service);
    if (topics === undefined) return undefined;
    const registration = {
      '@parent': device,
      '@type': 'service',
      name: healthNameOf(service),
      type: settings.require('service.type'),
    };
    return new MqttHealth(options, topics, JSON.stringify(registration));
  }

  /** Says that the service is down, and ends the session. Safe to call twice. */
  async close(): Promise<void> {
    if (!this.isClosing && this.session.isConnected) {
      this.isClosing = true;
      await this.say(statusText('down'), goodbyeDeadlineMs).catch(this.options.onFault);
    }
    this.isClosing = true;
    await this.session.close();
  }

  private async show(): Promise<void> {
    await this.session.publish(this.topics.registration, this.registration, { retain: true });
    await this.sayUp();
  }

  private async answer({ topic, payload }: MqttMessage): Promise<void> {
    if (this.isClosing) return;
    const isDue = topic === this.topics.status ? saysDown(payload) : isCheck(payload);
    // A failure must not end the session. The next connection shows the health again.
    if (isDue) await this.sayUp().catch(this.options.onFault);
  }

  private sayUp(): Promise<void> {
    const { settings, clock } = this.options;
    const isUnix = settings.require('service.timestamp_format') === 'unix';
    const now = clock.now();
    return this.say(statusText('up', isUnix ? now.getTime() / 1000 : now.toISOString()));
  }

  private say(payload: string, deadlineMs?: number): Promise<void> {
    const deadline = deadlineMs === undefined ? {} : { deadlineMs };
    return this.session.publish(this.topics.status, payload, { retain: true, ...deadline });
  }
}

/** How a service is called in the topics of thin-edge.io. */
function healthNameOf(service: ServiceName): string {
  return `sallyport-${service}`;
}

function topicsOf(root: string, device: TopicId, service: ServiceName): HealthTopics | undefined {
  const read = readDefaultTopicId(device);
  if (read === undefined || read.service !== undefined) return undefined;
  const own = `${root}/device/${read.device}/service/${healthNameOf(service)}`;
  return {
    registration: own,
    status: `${own}/status/health`,
    checks: [`${own}/cmd/health/check`, `${root}/${device}/cmd/health/check`],
  };
}

/** The members have the order of thin-edge.io, and the last will has no time. */
function statusText(status: 'up' | 'down', time?: number | string): string {
  return JSON.stringify({ pid: process.pid, status, ...(time === undefined ? {} : { time }) });
}

function saysDown(payload: Buffer): boolean {
  return statusMessage.safeParse(jsonIn(payload)).data?.status === 'down';
}

/** A check is an empty message or a JSON object. */
function isCheck(payload: Buffer): boolean {
  return payload.length === 0 || anyJsonObject.safeParse(jsonIn(payload)).success;
}

function jsonIn(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString('utf8'));
  } catch {
    return undefined;
  }
}
