import { type DeviceEvent, Problem, type Webhook } from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import type { WebhookSecret } from './webhook-secret.js';

const deadlineMs = 10_000;

/** RFC 9110 §15.5: answers by which a receiver does not refuse the event itself. */
const passingStatuses: ReadonlySet<number> = new Set([401, 403, 404, 407, 408, 409, 423, 425, 429]);

/** What a receiver made of an event. `refused`: it would refuse it again, so it is not sent again. */
export type Delivery = { readonly outcome: 'taken' } | { readonly outcome: 'refused'; readonly status: number };

/** Sends events to the addresses of webhooks. */
export class WebhookSender {
  constructor(
    private readonly secret: WebhookSecret,
    private readonly clock: Clock,
  ) {}

  /**
   * Posts one event. A redirect is not followed: it could lead to an address that nobody has allowed.
   *
   * @throws Problem `unavailable`: not taken within 10 s; it must be sent again
   */
  async send({ name, url }: Pick<Webhook, 'name' | 'url'>, event: DeviceEvent, stop: AbortSignal): Promise<Delivery> {
    const body = JSON.stringify(event);
    const headers = {
      'Content-Type': 'application/json',
      'User-Agent': 'sallyport',
      'Sallyport-Event': event.type,
      'Sallyport-Event-Id': event.id,
      'Sallyport-Signature': this.secret.sign(body, this.clock.now()),
    };
    const signal = AbortSignal.any([stop, AbortSignal.timeout(deadlineMs)]);
    const response = await fetch(url, { method: 'POST', body, headers, signal, redirect: 'manual' }).catch((cause) => {
      throw new Problem('unavailable', `Webhook "${name}" cannot be reached within ${deadlineMs} ms.`, { cause });
    });
    await response.body?.cancel().catch(() => undefined);
    const { status } = response;
    if (response.ok) return { outcome: 'taken' };
    if (status >= 400 && status < 500 && !passingStatuses.has(status)) return { outcome: 'refused', status };
    throw new Problem('unavailable', `Webhook "${name}" answered ${status}.`);
  }
}
