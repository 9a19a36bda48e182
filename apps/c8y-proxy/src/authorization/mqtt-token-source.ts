import { within } from '@sallyport/concurrency';
import type { MqttSession, MqttSessionOptions } from '@sallyport/mqtt';
import { GatewayFault } from '../forwarding/gateway-fault.js';
import type { AuthorizationSource } from './device-authorization.js';
import { type Authorization, authorizationIn } from './device-token.js';

export interface MqttTokenOptions {
  readonly openSession: (options: MqttSessionOptions) => MqttSession;
  /** First level of the topics that are bridged to the cloud. */
  readonly topicPrefix: string;
  readonly nowMs: () => number;
  readonly deadlines?: Partial<TokenDeadlines>;
}

/** Milliseconds. */
export interface TokenDeadlines {
  readonly connectMs: number;
  /** After so long without an answer the question is asked again. */
  readonly answerMs: number;
}

const usualDeadlines: TokenDeadlines = { connectMs: 10_000, answerMs: 10_000 };

// A bridge that is just connecting loses what it is asked at QoS 0.
const attempts = 3;

/**
 * Asks the cloud for the token of the device, over the local broker and the bridge: an empty message to `s/uat`, and the
 * answer on `s/dat`. Each time on a session of its own.
 */
export class MqttTokenSource implements AuthorizationSource {
  private readonly deadlines: TokenDeadlines;

  constructor(private readonly options: MqttTokenOptions) {
    this.deadlines = { ...usualDeadlines, ...options.deadlines };
  }

  async fetch(): Promise<Authorization> {
    const answer = Promise.withResolvers<Buffer>();
    const session = this.options.openSession({
      isDurable: false,
      filters: [{ filter: `${this.options.topicPrefix}/s/dat`, qos: 0 }],
      // A token that the broker had kept belongs to another question.
      onMessage: ({ payload, isRetained }) => void (isRetained || answer.resolve(payload)),
    });
    try {
      await session.connected(this.deadlines.connectMs).catch((cause: unknown) => {
        throw unavailable('The local MQTT broker does not answer', cause);
      });
      return authorizationIn(await this.ask(session, answer.promise), this.options.nowMs());
    } finally {
      await session.close();
    }
  }

  private async ask(session: MqttSession, answer: Promise<Buffer>): Promise<Buffer> {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      await session.publish(`${this.options.topicPrefix}/s/uat`, '', { qos: 0 }).catch((cause: unknown) => {
        throw unavailable('The local MQTT broker does not take the question', cause);
      });
      const late = new NoAnswerYet();
      try {
        return await within(answer, this.deadlines.answerMs, { late: () => late });
      } catch (error) {
        if (error !== late) throw error;
      }
    }
    throw unavailable(
      `The cloud did not answer on ${this.options.topicPrefix}/s/dat, so the bridge to it may be down`,
      undefined,
    );
  }
}

class NoAnswerYet extends Error {}

function unavailable(what: string, cause: unknown): GatewayFault {
  return new GatewayFault(
    'token-unavailable',
    `There is no token to authenticate this device with. ${what}. Try: sallyport connect c8y --test`,
    { cause },
  );
}
