import { type EventContract, Problem } from '@sallyport/protocol';
import type { z } from 'zod';
import type { Mqtt, MqttSubscription, SubscriptionOptions } from './port.js';
import { UnusableMessage } from './subscriber.js';
import { toError } from './to-error.js';

export interface EventSubscriptionOptions extends SubscriptionOptions {
  /**
   * Told about a message that is not what the contract says. It becomes a dead letter at once: it would never be valid.
   */
  readonly onInvalid?: (fault: Error) => void;
}

/**
 * Publishes an event at QoS 1; resolves when the broker has it.
 *
 * @throws Problem `invalid-request`: the payload breaks the contract; nothing was sent.
 * @throws Problem `unavailable`: not acknowledged in time; safe to retry.
 */
export async function publishEvent<Payload extends z.ZodType>(
  mqtt: Mqtt,
  contract: EventContract<Payload>,
  payload: z.input<Payload>,
): Promise<void> {
  const checked = contract.payload.safeParse(payload);
  if (!checked.success)
    throw new Problem(
      'invalid-request',
      `The payload of ${contract.topic} breaks its contract: ${checked.error.message}`,
    );
  await mqtt.publish(contract.topic, JSON.stringify(payload));
}

/**
 * Calls the handler for each event, one at a time and in order; an event counts as taken when the handler is done, and
 * comes again when it fails. So an event may be seen twice.
 *
 * @throws Problem `forbidden`, `unavailable`: as `Mqtt.subscribe` says.
 */
export function subscribeEvent<Payload extends z.ZodType>(
  mqtt: Mqtt,
  contract: EventContract<Payload>,
  handler: (payload: z.output<Payload>) => Promise<void>,
  { onInvalid = (fault) => process.emitWarning(fault), ...options }: EventSubscriptionOptions = {},
): Promise<MqttSubscription> {
  const receive = async (_topic: string, message: Buffer): Promise<void> => {
    const event = parseEvent(contract, message);
    if (event.fault === undefined) return handler(event.payload);
    onInvalid(event.fault);
    throw new UnusableMessage(event.fault.message, { cause: event.fault.cause });
  };
  return mqtt.subscribe(contract.topic, receive, options);
}

type ParsedEvent<T> = { readonly fault: Error } | { readonly fault?: undefined; readonly payload: T };

function parseEvent<Payload extends z.ZodType>(
  { topic, payload }: EventContract<Payload>,
  message: Buffer,
): ParsedEvent<z.output<Payload>> {
  try {
    return { payload: payload.parse(JSON.parse(message.toString('utf8'))) };
  } catch (error) {
    return { fault: new Error(`a message to ${topic} breaks its contract`, { cause: toError(error) }) };
  }
}
