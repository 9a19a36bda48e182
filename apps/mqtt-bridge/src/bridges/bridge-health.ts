import type { Settings } from '@sallyport/config';
import type { MqttMessage, MqttSession } from '@sallyport/mqtt';
import type { MqttSessions } from '@sallyport/runtime';
import { z } from 'zod';
import type { BridgeTopics } from '../bridging/bridge-topics.js';
import { healthText } from '../bridging/plan-bridge.js';

const anyJsonObject = z.looseObject({});

// The end of a service must not wait long for a broker that is away.
const goodbyeDeadlineMs = 1_000;

export interface BridgeHealthOptions {
  readonly topics: BridgeTopics;
  readonly sessions: MqttSessions;
  readonly settings: Settings;
  readonly onFault: (fault: Error) => void;
}

/**
 * Shows a bridge to thin-edge.io as one of its services: registers it, says whether both halves are connected, each time
 * that changes, and answers health checks. It says so in both forms: JSON as the built-in bridge of thin-edge.io, and `1`
 * or `0` as the bridge of Mosquitto. When the process ends without a word, the broker says that the bridge is down.
 */
export class BridgeHealth {
  private readonly session: MqttSession;
  private isUp = false;
  private isClosing = false;

  constructor(private readonly options: BridgeHealthOptions) {
    const { topics, sessions, onFault } = options;
    this.session = sessions.open(`health-${topics.service}`, {
      isDurable: false,
      // The will of the local half says the same in JSON.
      will: { topic: topics.mosquittoHealth, payload: '0', qos: 1, retain: true },
      filters: topics.healthChecks.map((filter) => ({ filter })),
      // MQTT.js hears no PUBACK while a single message is handled, and the handler publishes.
      window: 4,
      onMessage: (message) => this.answer(message),
      onConnected: () => void this.register().catch(onFault),
      onFault,
    });
  }

  /** Says it when it has changed. What cannot be said now is said when the broker is back. */
  show(isUp: boolean): void {
    if (this.isUp === isUp || this.isClosing) return;
    this.isUp = isUp;
    if (this.session.isConnected) void this.say().catch(this.options.onFault);
  }

  /** Says that the bridge is down, and ends the session. Safe to call twice. */
  async close(): Promise<void> {
    const isFirst = !this.isClosing;
    this.isClosing = true;
    this.isUp = false;
    if (isFirst && this.session.isConnected) await this.say(goodbyeDeadlineMs).catch(this.options.onFault);
    await this.session.close();
  }

  private async register(): Promise<void> {
    const { topics, settings } = this.options;
    const registration = {
      '@parent': topics.device,
      '@type': 'service',
      name: topics.service,
      type: settings.require('service.type'),
    };
    await this.session.publish(topics.registration, JSON.stringify(registration), { retain: true });
    await this.say();
  }

  private async answer({ payload }: MqttMessage): Promise<void> {
    // A failure must not end the session. The next connection shows the health again.
    if (!this.isClosing && isCheck(payload)) await this.say().catch(this.options.onFault);
  }

  private async say(deadlineMs?: number): Promise<void> {
    const { isUp, options, session } = this;
    const { health, mosquittoHealth } = options.topics;
    const publishing = { retain: true, ...(deadlineMs === undefined ? {} : { deadlineMs }) };
    await Promise.all([
      session.publish(health, healthText(isUp), publishing),
      session.publish(mosquittoHealth, isUp ? '1' : '0', publishing),
    ]);
  }
}

/** A check is an empty message or a JSON object. */
function isCheck(payload: Buffer): boolean {
  if (payload.length === 0) return true;
  try {
    return anyJsonObject.safeParse(JSON.parse(payload.toString('utf8'))).success;
  } catch {
    return false;
  }
}
