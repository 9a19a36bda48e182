import type { Qos } from '@sallyport/mqtt-wire';
import { isServiceTopic } from '@sallyport/protocol';
import type { Store } from '@sallyport/store';
import { z } from 'zod';
import { originOf, ownerOf } from './access-rules.js';
import type { BrokerCore } from './broker-core.js';
import type { Journal } from './journal/journal.js';
import { Message } from './message.js';
import { ImportMarker } from './recovery.js';
import { RetainedMessage } from './retained-messages.js';
import { forever } from './session.js';

const qos = z.union([z.literal(0), z.literal(1), z.literal(2)]);
const savedSession = z.object({
  name: z.string(),
  subscriptions: z.array(z.object({ topic: z.string(), qos })),
});
const savedEvent = z.object({ topic: z.string(), payload: z.base64(), recipients: z.array(z.string()) });
const savedRetained = z.object({ topic: z.string(), payload: z.base64(), qos });

const prefixes = ['event/', 'session/', 'retained/'] as const;
type Prefix = (typeof prefixes)[number];

/** Whose share the retained messages of clients use that an earlier release kept: it did not write down who they were. */
const unknownNetwork = 'unknown';

/**
 * Takes over what an earlier release kept in the store, once: services' sessions and events, and retained messages. They
 * are removed from the store when they are in the journal.
 *
 * @throws Error when the store cannot be read; the broker must not start without them
 */
export async function importFromStore(store: Store, core: BrokerCore, journal: Journal): Promise<void> {
  const sessions = await readAll(store, 'session/', savedSession);
  const events = await readAll(store, 'event/', savedEvent);
  const retained = await readAll(store, 'retained/', savedRetained);
  // In one turn, so that all of it is in the journal or nothing.
  for (const session of sessions) importSession(session, core);
  for (const event of events) importEvent(event, core);
  for (const message of retained) importRetained(message, core);
  journal.keep(new ImportMarker());
  await journal.flushed();
  await removeImported(store);
}

async function readAll<Value>(store: Store, prefix: Prefix, schema: z.ZodType<Value>): Promise<Value[]> {
  const values: Value[] = [];
  for await (const { value } of store.listAll(prefix)) values.push(schema.parse(value));
  return values;
}

/** Removes what is in the journal already; a crash may have left it in the store. */
export async function removeImported(store: Store): Promise<void> {
  for (const prefix of prefixes) for await (const { key } of store.listAll(prefix)) await store.delete(key);
}

function importSession({ name, subscriptions }: z.output<typeof savedSession>, core: BrokerCore): void {
  const origin = originOf(name);
  const opened = core.sessions.open({ name, origin, network: unknownNetwork, isClean: false, expirySeconds: forever });
  if (opened.outcome === 'refused') return;
  for (const { topic, qos } of subscriptions) core.router.subscribe(opened.session, plainSubscription(topic, qos));
}

function plainSubscription(filter: string, qos: Qos) {
  return { filter, qos, noLocal: false, retainAsPublished: false, identifier: undefined };
}

function importEvent({ topic, payload, recipients }: z.output<typeof savedEvent>, core: BrokerCore): void {
  const publication = { topic, payload: Buffer.from(payload, 'base64'), qos: 1, properties: undefined } as const;
  const message = new Message(core.nextMessageId(), publication, core.now());
  for (const name of recipients)
    core.sessions.get(name)?.outbox.offer(message, { qos: 1, retain: false, identifiers: [] });
  if (message.awaited > 0) core.journal.keep(message);
}

function importRetained({ topic, payload, qos }: z.output<typeof savedRetained>, core: BrokerCore): void {
  const publication = { topic, payload: Buffer.from(payload, 'base64'), qos, properties: undefined };
  const owner = ownerOf(
    isServiceTopic(topic) ? { kind: 'service' } : { kind: 'network', peer: undefined },
    unknownNetwork,
  );
  core.retained.keep(new RetainedMessage(publication, owner, core.nextMessageId(), core.now()));
}
