import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { type BackOff, backOffMs, pause, Semaphore, SerialQueue } from '@sallyport/concurrency';
import { Mqtt, type MqttSubscription, subscribeEvent } from '@sallyport/mqtt';
import {
  type DeviceEvent,
  deviceEvent,
  deviceEventRoot,
  Problem,
  statePlaces,
  type Webhook,
  type WebhookName,
} from '@sallyport/protocol';
import { FaultLog, MqttSessions, reasonOf, ServiceContext } from '@sallyport/runtime';
import { type JsonValue, Lease, Store } from '@sallyport/store';
import { WebhookSecret } from './webhook-secret.js';
import { WebhookSender } from './webhook-sender.js';
import { Webhooks } from './webhooks.js';

const leaseKey = 'webhook/sender';
const mostAtOnce = 8;
const retries: BackOff = { firstMs: 1_000, longestMs: 300_000, jitter: 0.25 };

/**
 * Sends the events of devices to webhooks: each at least once, those of one device in their order. An event is queued in
 * the store before it is acknowledged to the broker. Among replicas, each queues and one sends.
 */
@Injectable()
export class WebhookDelivery implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly stopping = new AbortController();
  private readonly changes = new SerialQueue();
  private readonly faultByName = new Map<WebhookName, string>();
  private readonly faults: FaultLog;
  private webhooks: readonly Webhook[] = [];
  private intake: MqttSubscription | undefined;
  private opening: Promise<WebhookSender> | undefined;
  private running: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly context: ServiceContext,
    private readonly store: Store,
    private readonly mqtt: Mqtt,
    private readonly sessions: MqttSessions,
    private readonly definitions: Webhooks,
  ) {
    this.faults = new FaultLog(context.log, context.clock, 'webhook could not be served, will be tried again');
  }

  async onApplicationBootstrap(): Promise<void> {
    const { signal } = this.stopping;
    await this.refresh().catch(this.faults.note);
    const { mayHaveReplicas, replica: holder } = this.sessions;
    const lease = new Lease({ store: this.store, key: leaseKey, holder, onFault: this.faults.note });
    const work = (until: AbortSignal) => this.untilAborted(until, () => this.sendAll(until));
    this.running = Promise.all([
      this.untilAborted(signal, () => this.follow(signal)),
      mayHaveReplicas ? lease.run(work, signal) : work(signal),
    ]);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.running;
    await this.changes.idle();
  }

  /** Why the last delivery to a webhook failed; undefined when it did not. */
  faultOf(name: WebhookName): string | undefined {
    return this.faultByName.get(name);
  }

  /** Takes over what was changed. Called at each change, by this replica or another one. */
  refresh(): Promise<void> {
    return this.changes.run(async () => {
      this.webhooks = await this.definitions.list();
      const isNeeded = this.webhooks.length > 0;
      if (isNeeded) this.intake ??= await this.subscribe();
      if (isNeeded || this.intake === undefined) return;
      // Without this the broker would go on to keep events for nobody.
      await this.intake.unsubscribe();
      this.intake = undefined;
    });
  }

  private subscribe(): Promise<MqttSubscription> {
    const contract = { topic: `${deviceEventRoot}/#`, payload: deviceEvent };
    return subscribeEvent(this.mqtt, contract, (event) => this.definitions.queue(event, this.webhooks), {
      onInvalid: this.faults.note,
    });
  }

  /** Never rejects. A watch ends with an error when the store was exchanged for an older copy. */
  private async untilAborted(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        await work();
      } catch (error) {
        this.faults.note(error);
        await pause(backOffMs(failures + 1, retries), { signal });
      }
    }
  }

  private async follow(signal: AbortSignal): Promise<void> {
    const changes = this.store.watch('webhook/definition/', { signal });
    await this.refresh().catch(this.faults.note);
    for await (const _ of changes) await this.refresh().catch(this.faults.note);
  }

  /** One run for each webhook there is, until the signal aborts. */
  private async sendAll(signal: AbortSignal): Promise<void> {
    const runs = new Map<WebhookName, { readonly stop: AbortController; readonly ended: Promise<void> }>();
    const follow = async (): Promise<void> => {
      const names = new Set((await this.definitions.list()).map(({ name }) => name));
      for (const [name, { stop }] of runs) if (!names.has(name)) [stop.abort(), runs.delete(name)];
      for (const name of names) {
        if (runs.has(name)) continue;
        const stop = new AbortController();
        runs.set(name, { stop, ended: this.sendQueue(name, AbortSignal.any([signal, stop.signal])) });
      }
    };
    const changes = this.store.watch('webhook/definition/', { signal });
    try {
      await follow().catch(this.faults.note);
      for await (const _ of changes) await follow().catch(this.faults.note);
    } finally {
      for (const { stop } of runs.values()) stop.abort();
      await Promise.all([...runs.values()].map(({ ended }) => ended));
    }
  }

  private sendQueue(name: WebhookName, signal: AbortSignal): Promise<void> {
    const places = new Semaphore(mostAtOnce);
    const publish = async (_type: string, payload: JsonValue): Promise<void> => {
      await places.acquire(signal);
      await this.deliver(name, deviceEvent.parse(payload), signal).finally(() => places.release());
    };
    const onRetry = (error: unknown): void => {
      this.faultByName.set(name, reasonOf(error));
      this.faults.note(error);
    };
    return this.definitions.queueOf(name).run(publish, { signal, onRetry, retries });
  }

  /** Makes the secret when it is first needed: a registry without webhooks leaves no file. */
  private sender(): Promise<WebhookSender> {
    this.opening ??= this.openSender().catch((error: unknown) => {
      this.opening = undefined;
      throw error;
    });
    return this.opening;
  }

  private async openSender(): Promise<WebhookSender> {
    const { settings, clock } = this.context;
    const secret = await WebhookSecret.open(statePlaces(settings.stateDirectory).webhookSecret);
    return new WebhookSender(secret, clock);
  }

  private async deliver(name: WebhookName, event: DeviceEvent, signal: AbortSignal): Promise<void> {
    const webhook = this.webhooks.find((each) => each.name === name);
    if (webhook === undefined) return;
    if (!(await this.definitions.isAllowed(webhook.url)))
      throw new Problem(
        'forbidden',
        `Webhook "${name}" may not send to its address any more: registry.webhook.origins`,
      );
    const sender = await this.sender();
    const delivery = await sender.send(webhook, event, signal);
    if (delivery.outcome === 'taken') this.faultByName.delete(name);
    else {
      const { status } = delivery;
      this.faultByName.set(name, `An event was refused with ${status}; it is not sent again.`);
      this.context.log.warn({ webhook: name, event: event.id, status }, 'webhook refused an event, which is dropped');
    }
  }
}
