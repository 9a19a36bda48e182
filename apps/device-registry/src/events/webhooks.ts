import { Injectable } from '@nestjs/common';
import { AuditLog } from '@sallyport/audit';
import {
  type DeviceEvent,
  Problem,
  type Webhook,
  type WebhookChange,
  type WebhookName,
  webhook,
} from '@sallyport/protocol';
import { ServiceContext } from '@sallyport/runtime';
import { type Operation, Outbox, Store } from '@sallyport/store';
import { AllowedAddresses } from '../allowed-addresses.js';

const definitionPrefix = 'webhook/definition/';
const mostWebhooks = 20;

// A receiver that is away for longer reads the timelines instead. So what waits for it does not grow for ever.
const waitingSeconds = 3 * 24 * 3600;

/** The webhooks of the registry in the store, and what waits for each. */
@Injectable()
export class Webhooks {
  constructor(
    private readonly store: Store,
    private readonly audit: AuditLog,
    private readonly context: ServiceContext,
    private readonly allowed: AllowedAddresses,
  ) {}

  /** By name. */
  async list(): Promise<Webhook[]> {
    const { entries } = await this.store.list(definitionPrefix, { limit: mostWebhooks });
    return entries.map(({ value }) => webhook.parse(value));
  }

  /**
   * Makes a webhook, or changes one.
   *
   * @throws Problem `forbidden`: the operator has not allowed its origin
   * @throws Problem `conflict`: there are too many, or somebody else changed it at the same time
   */
  async set(name: WebhookName, change: WebhookChange, actor: string): Promise<Webhook> {
    await this.requireOrigin(change.url);
    const known = await this.list();
    if (known.length >= mostWebhooks && !known.some((each) => each.name === name))
      throw new Problem('conflict', `There are ${mostWebhooks} webhooks already. Remove one first.`);
    const entry = await this.store.get(keyOf(name));
    const createdAt = this.context.clock.now().toISOString();
    const next = { ...change, name, createdAt: entry === undefined ? createdAt : webhook.parse(entry.value).createdAt };
    const isWritten = await this.audit.commit({
      compares: [{ key: keyOf(name), revision: entry?.revision ?? 0 }],
      operations: [{ put: keyOf(name), value: next }],
      entries: [
        { actor, action: 'webhook-set', subject: name, outcome: 'succeeded', details: { url: shown(change.url) } },
      ],
    });
    if (!isWritten) throw new Problem('conflict', `Webhook "${name}" was changed by somebody else. Try again.`);
    return next;
  }

  /** @throws Problem `not-found` */
  async remove(name: WebhookName, actor: string): Promise<void> {
    const entry = await this.store.get(keyOf(name));
    if (entry === undefined) throw new Problem('not-found', `No webhook is called "${name}".`);
    await this.audit.commit({
      operations: [{ delete: keyOf(name) }],
      entries: [{ actor, action: 'webhook-removed', subject: name, outcome: 'succeeded', details: {} }],
    });
    for await (const entries of this.store.listPages(queuePrefix(name)))
      if (entries.length > 0)
        await this.store.transaction(
          [],
          entries.map(({ key }) => ({ delete: key })),
        );
  }

  /** Whether the operator lets webhooks send there. Asked again before each delivery. */
  async isAllowed(url: string): Promise<boolean> {
    return (await this.allowed.webhookOrigins()).includes(new URL(url).origin);
  }

  /** What waits for a webhook. */
  queueOf(name: WebhookName): Outbox {
    return new Outbox(this.store, queuePrefix(name));
  }

  /** How many events wait; at most 1000 are counted. */
  async waiting(name: WebhookName): Promise<number> {
    return (await this.store.list(queuePrefix(name), { limit: 1000 })).entries.length;
  }

  /** Queues an event for each webhook that wants it, or for none. */
  async queue(event: DeviceEvent, webhooks: readonly Webhook[]): Promise<void> {
    const operations = webhooks.filter((each) => isWanted(each, event)).map((each) => this.queued(each, event));
    if (operations.length > 0) await this.store.transaction([], operations);
  }

  private queued({ name }: Webhook, event: DeviceEvent): Operation {
    const queued = this.queueOf(name).record(event.type, event, event.device);
    return 'put' in queued ? { ...queued, ttlSeconds: waitingSeconds } : queued;
  }

  private async requireOrigin(url: string): Promise<void> {
    const { username, password, origin } = new URL(url);
    if (username !== '' || password !== '')
      throw new Problem('invalid-request', 'The address of a webhook holds no user name and no password.');
    if (!(await this.isAllowed(url)))
      throw new Problem(
        'forbidden',
        `Webhooks may not send to ${origin}. The operator allows it with: sallyport config add registry.webhook.origins ${origin}`,
      );
  }
}

/** A secret in the query of an address must not get into the audit log. */
function shown(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

function isWanted({ types, connector }: Webhook, event: DeviceEvent): boolean {
  return (types?.includes(event.type) ?? true) && (connector ?? event.connector) === event.connector;
}

function keyOf(name: WebhookName): string {
  return `${definitionPrefix}${name}`;
}

function queuePrefix(name: WebhookName): string {
  return `webhook/queue/${name}/`;
}
