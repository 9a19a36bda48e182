import { cp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type TemporaryDirectory, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { Delivery } from './delivery.js';
import type { EmbeddedBrokerOptions } from './embedded-broker.js';
import { Journal } from './journal/journal.js';
import { openJournalFolder } from './journal/journal-disk.js';
import { ManualClient } from './manual-client.fixture.js';
import { Message } from './message.js';
import { FillingDisk, TestBroker } from './testing.js';

const dayMs = 24 * 3_600_000;
const kept = { clientId: 'kept', isClean: false };

/** Brokers that follow each other as after a crash: each starts on what the one before it has on disk. */
class Crashes implements AsyncDisposable {
  private readonly root: TemporaryDirectory = temporaryDirectory();
  private readonly brokers: TestBroker[] = [];
  private runs = 0;

  /** A copy of what the last one has on disk. */
  async nextFolder(): Promise<string> {
    this.runs += 1;
    const directory = this.root.file(`run-${this.runs}`);
    if (this.runs > 1) await cp(this.root.file(`run-${this.runs - 1}`), directory, { recursive: true });
    return directory;
  }

  async start(options: EmbeddedBrokerOptions = {}) {
    const directory = await this.nextFolder();
    const site = await TestBroker.start({ directory, ...options });
    this.brokers.push(site);
    return site.broker;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const broker of this.brokers) await broker.close();
    await this.root.remove();
  }
}

describe('after a crash', () => {
  it('a session is there with its subscriptions, and one that was ended is not', async () => {
    await using crashes = new Crashes();
    const before = await crashes.start();
    const client = await ManualClient.open(before, kept);
    await client.subscribe({ a: 1, b: 1, c: 1 });
    await client.subscribe({ a: 0 });
    client.send({ type: 'unsubscribe', packetId: 3, filters: ['b'], properties: undefined });
    await client.next('unsuback');
    await (await ManualClient.open(before, { clientId: 'ended', isClean: false })).disconnect();
    await (await ManualClient.open(before, { clientId: 'ended', isClean: true })).disconnect();
    const after = await crashes.start();
    await using ended = ManualClient.start(after, { clientId: 'ended', isClean: false });
    expect((await ended.next('connack')).sessionPresent).toBe(false);
    await using again = ManualClient.start(after, kept);
    expect((await again.next('connack')).sessionPresent).toBe(true);
    for (const topic of ['a', 'b', 'c']) await ended.publishKept(topic, 'x');
    expect(await again.messages(2)).toEqual(['a x 0', 'c x 1 #1']);
  });

  it('messages come with their identifiers and in their order, before those that came since', async () => {
    await using crashes = new Crashes();
    const before = await crashes.start();
    const client = await ManualClient.open(before, kept);
    await client.subscribe({ a: 2 });
    for (const payload of ['1', '2', '3']) await client.publishKept('a', payload);
    client.acknowledge('puback', 2);
    await client.settle();
    await client.publishKept('a', '4');
    const after = await crashes.start();
    await using publisher = await ManualClient.open(after, { clientId: 'publisher' });
    await publisher.publishKept('a', '5');
    await using again = await ManualClient.open(after, kept);
    expect(await again.messages(4)).toEqual(['a 1 1 again #1', 'a 3 1 again #3', 'a 4 1 again #4', 'a 5 1 #5']);
  });

  it('a message has its place in the queue, also when its record was moved behind those of later ones', async () => {
    await using crashes = new Crashes();
    const client = await ManualClient.open(await crashes.start(), kept);
    await client.subscribe({ a: 1 });
    const directory = await crashes.nextFolder();
    const journal = new Journal({ disk: await openJournalFolder(directory), onWarning: () => undefined });
    await journal.load(() => undefined);
    for (const id of [102, 101, 103]) {
      const publication = { topic: 'a', payload: Buffer.from(String(id)), qos: 1, properties: undefined } as const;
      const message = new Message(id, publication, 0);
      message.await(new Delivery(message, 1, id, { qos: 1, retain: false, identifiers: [] }));
      journal.keep(message);
    }
    await journal.close();
    await using again = await ManualClient.open(await crashes.start(), kept);
    expect((await again.messages(3)).map((text) => text.split(' ')[1])).toEqual(['101', '102', '103']);
  });

  it('a QoS 2 message that a client sends again is not passed on again', async () => {
    await using crashes = new Crashes();
    const before = await crashes.start();
    const client = await ManualClient.open(before, kept);
    await client.subscribe({ a: 1 });
    client.publish('a', 'x', { qos: 2, packetId: 5 });
    await client.next('pubrec');
    const after = await crashes.start();
    await using again = await ManualClient.open(after, kept);
    expect(await again.messages(1)).toEqual(['a x 1 again #1']);
    again.publish('a', 'x', { qos: 2, packetId: 5, isDuplicate: true });
    await again.next('pubrec');
    again.acknowledge('pubrel', 5);
    await again.next('pubcomp');
    again.publish('a', 'y', { qos: 2, packetId: 5 });
    expect(await again.messages(1)).toEqual(['a y 1 #2']);
  });

  it('a released identifier stays free', async () => {
    await using crashes = new Crashes();
    const before = await crashes.start();
    const client = await ManualClient.open(before, kept);
    client.publish('a', 'x', { qos: 2, packetId: 5 });
    await client.next('pubrec');
    client.acknowledge('pubrel', 5);
    await client.next('pubcomp');
    const after = await crashes.start();
    await using again = await ManualClient.open(after, kept);
    await again.subscribe({ a: 0 });
    again.publish('a', 'y', { qos: 2, packetId: 5 });
    expect(await again.messages(1)).toEqual(['a y 0']);
  });

  it('a QoS 2 handshake goes on where it was, and its message does not come again', async () => {
    await using crashes = new Crashes();
    const before = await crashes.start();
    const client = await ManualClient.open(before, kept);
    await client.subscribe({ a: 2 });
    client.publish('a', 'x', { qos: 2, packetId: 5 });
    expect(await client.messages(1)).toEqual(['a x 2 #1']);
    client.acknowledge('pubrec', 1);
    await client.next('pubrel');
    const after = await crashes.start();
    const again = await ManualClient.open(after, kept);
    expect((await again.next('pubrel')).packetId).toBe(1);
    again.acknowledge('pubcomp', 1);
    await again.settle();
    expect(again.received).toEqual([]);
    // It is on disk that it has ended when something later is.
    await again.publishKept('b', 'x', { retain: true });
    await using third = await ManualClient.open(await crashes.start(), kept);
    await third.settle();
    expect(third.received).toEqual([]);
  });

  it('retained messages are there with their QoS, and those that were removed are not', async () => {
    await using crashes = new Crashes();
    const client = await ManualClient.open(await crashes.start());
    for (const [topic, payload] of Object.entries({ a: '1', b: '1', c: '1' }))
      await client.publishKept(topic, payload, { retain: true });
    await client.publishKept('a', '2', { retain: true });
    await client.publishKept('b', '', { retain: true });
    await using again = await ManualClient.open(await crashes.start());
    await again.subscribe({ '#': 2 });
    expect((await again.messages(2)).map((text) => text.replace(/ #.*/, '')).sort()).toEqual([
      'a 2 1 retained',
      'c 1 1 retained',
    ]);
  });

  it('a message is not delivered any more when its receiver may not have it any more', async () => {
    await using crashes = new Crashes();
    const client = await ManualClient.open(await crashes.start(), kept);
    await client.subscribe({ '#': 1 });
    for (const topic of ['a', 'b']) await client.publishKept(topic, 'x');
    const rules = {
      mayPublish: () => true,
      maySubscribe: () => true,
      mayReceive: (_: unknown, topic: string) => topic !== 'a',
    };
    await using again = await ManualClient.open(await crashes.start({ rules }), kept);
    expect(await again.messages(1)).toEqual(['b x 1 again #2']);
  });

  it('a message that the new rules took away leaves its identifier to others, also when they give it back', async () => {
    await using crashes = new Crashes();
    const client = await ManualClient.open(await crashes.start(), kept);
    await client.subscribe({ '#': 1 });
    await client.publishKept('a', 'x');
    const rules = {
      mayPublish: () => true,
      maySubscribe: () => true,
      mayReceive: (_: unknown, topic: string) => topic !== 'a',
    };
    await using publisher = await ManualClient.open(await crashes.start({ rules }), { clientId: 'publisher' });
    await publisher.publishKept('b', 'y');
    await using again = await ManualClient.open(await crashes.start(), kept);
    expect((await again.soFar()).filter(({ type }) => type === 'publish')).toMatchObject([{ topic: 'b', packetId: 1 }]);
  });

  it('what had waited for a session that was ended comes to no other session', async () => {
    await using crashes = new Crashes();
    const before = await crashes.start();
    await (await ManualClient.open(before, kept)).subscribe({ a: 1 });
    await using publisher = await ManualClient.open(before, { clientId: 'publisher' });
    await publisher.publishKept('a', 'x');
    await (await ManualClient.open(before, { ...kept, isClean: true })).disconnect();
    await publisher.publishKept('b', 'x', { retain: true });
    const other = { clientId: 'other', isClean: false };
    await (await ManualClient.open(await crashes.start(), other)).disconnect();
    await using again = await ManualClient.open(await crashes.start(), other);
    await again.settle();
    expect(again.received).toEqual([]);
  });

  it('a session that nobody used for 30 days of running time is forgotten when others were used', async () => {
    await using crashes = new Crashes();
    let uptimeMs = 0;
    const uptime = () => uptimeMs;
    const visit = async (days: number, clientId: string) => {
      const broker = await crashes.start({ uptime });
      uptimeMs += days * dayMs;
      await using client = ManualClient.start(broker, { clientId, isClean: false });
      return (await client.next('connack')).sessionPresent;
    };
    expect(await visit(0, 'old')).toBe(false);
    expect(await visit(29, 'other')).toBe(false);
    expect(await visit(0, 'old')).toBe(true);
    expect(await visit(31, 'other')).toBe(true);
    expect(await visit(0, 'old')).toBe(false);
  });

  it('a clock that was years ahead makes no session old', async () => {
    await using crashes = new Crashes();
    await (await ManualClient.open(await crashes.start({ now: () => 0 }), kept)).disconnect();
    const ahead = await crashes.start({ now: () => 3_650 * dayMs });
    await (await ManualClient.open(ahead, { clientId: 'other', isClean: false })).disconnect();
    await using again = ManualClient.start(await crashes.start({ now: () => dayMs }), kept);
    expect((await again.next('connack')).sessionPresent).toBe(true);
  });
});

describe('a client that stays connected for longer than 30 days', () => {
  it('still has its session after a crash, though others have come and gone since', async () => {
    await using crashes = new Crashes();
    let nowMs = 0;
    const clocks = { now: () => nowMs, uptime: () => nowMs };
    const broker = await crashes.start(clocks);
    await using _staying = await ManualClient.open(broker, kept);
    nowMs = 40 * dayMs;
    const { journalCommits } = broker.figures;
    await waitFor(() => broker.figures.journalCommits > journalCommits);
    await (await ManualClient.open(broker, { clientId: 'other', isClean: false })).disconnect();
    await using again = ManualClient.start(await crashes.start(clocks), kept);
    expect((await again.next('connack')).sessionPresent).toBe(true);
  });
});

describe('while the disk takes nothing', () => {
  async function openSite() {
    const crashes = new Crashes();
    const disk = new FillingDisk();
    const warnings: string[] = [];
    const broker = await crashes.start({ openDisk: disk.open, onWarning: (text) => void warnings.push(text) });
    return { crashes, disk, broker, warnings };
  }

  it('a QoS 2 message does not reach its receiver, and does when there is room again', async () => {
    const { crashes, disk, broker } = await openSite();
    await using _ = crashes;
    await using receiver = await ManualClient.open(broker, kept);
    await receiver.subscribe({ a: 2 });
    await using publisher = await ManualClient.open(broker, { clientId: 'publisher' });
    disk.isFull = true;
    publisher.publish('a', 'x', { qos: 2, packetId: 1 });
    await waitFor(() => broker.figures.journalFailing === 1);
    await receiver.settle();
    expect([publisher.received, receiver.received]).toEqual([[], []]);
    disk.isFull = false;
    expect((await publisher.next('pubrec')).packetId).toBe(1);
    expect(await receiver.messages(1)).toEqual(['a x 2 #1']);
  });

  it('retained messages at QoS 0 reach those who are there, and are not kept in memory for the disk', async () => {
    const { crashes, disk, broker } = await openSite();
    await using _ = crashes;
    await using listening = await ManualClient.open(broker, { clientId: 'listening' });
    await listening.subscribe({ state: 0 });
    await using publisher = await ManualClient.open(broker, { clientId: 'publisher' });
    await publisher.publishKept('state', '1', { retain: true });
    expect(await listening.messages(1)).toEqual(['state 1 0']);
    disk.isFull = true;
    publisher.publish('state', '2', { retain: true, qos: 1, packetId: 2 });
    await waitFor(() => broker.figures.journalFailing === 1);
    publisher.publish('state', '3', { retain: true });
    expect(await listening.messages(2)).toEqual(['state 2 0', 'state 3 0']);
    await using late = await ManualClient.open(broker, { clientId: 'late' });
    await late.subscribe({ state: 0 });
    expect(await late.messages(1)).toEqual(['state 2 0 retained']);
    disk.isFull = false;
    await publisher.next('puback');
  });

  it('nothing that has to be kept is acknowledged, and everything else goes on', async () => {
    const { crashes, disk, broker, warnings } = await openSite();
    await using _ = crashes;
    await (await ManualClient.open(broker, kept)).subscribe({ kept: 1 });
    await using listening = await ManualClient.open(broker, { clientId: 'listening' });
    await listening.subscribe({ live: 2 });
    disk.isFull = true;
    await using first = await ManualClient.open(broker, { clientId: 'first' });
    first.publish('kept', 'x', { qos: 1, packetId: 1 });
    await waitFor(() => broker.figures.journalFailing === 1);
    await using second = await ManualClient.open(broker, { clientId: 'second' });
    second.publish('kept', 'y', { qos: 1, packetId: 1 });
    await second.closed();
    await using newest = await ManualClient.open(broker, { clientId: 'newest', version: 5 });
    newest.publish('kept', 'z', { qos: 1, packetId: 1, retain: true });
    expect((await newest.next('puback')).reasonCode).toBe(0x83);
    await using third = ManualClient.start(broker, { clientId: 'third', isClean: false });
    expect((await third.next('connack')).reasonCode).toBe(3);
    await newest.publishKept('live', 'x');
    newest.publish('live', 'y', { qos: 2, packetId: 2 });
    expect(await listening.messages(2)).toEqual(['live x 1 #1', 'live y 2 #2']);
    expect(first.received).toEqual([]);
    expect(warnings[0]).toBe('the journal cannot be written; what has to be kept is not acknowledged');
    disk.isFull = false;
    await first.next('puback');
  });
});

describe('a journal whose oldest file was removed by somebody', () => {
  async function warningsAfter(damage: (folder: string) => Promise<void>): Promise<string[]> {
    await using crashes = new Crashes();
    const before = await crashes.start();
    // One that ended is not missed.
    await using other = await ManualClient.open(before, { clientId: 'other', isClean: false });
    const client = await ManualClient.open(before, kept);
    for (const each of [client, other]) await each.subscribe({ a: 1 });
    await client.disconnect();
    await using publisher = await ManualClient.open(before, { clientId: 'publisher' });
    for (let count = 0; count < 11; count += 1) await publisher.publishKept('a', 'x'.repeat(900_000));
    await other.disconnect();
    await (await ManualClient.open(before, { clientId: 'other', isClean: true })).disconnect();
    const directory = await crashes.nextFolder();
    await damage(directory);
    const warnings: string[] = [];
    await using _site = await TestBroker.start({ directory, onWarning: (text) => void warnings.push(text) });
    return warnings;
  }

  it('is opened, and the log says that sessions are missing', async () => {
    const removeOldest = async (folder: string): Promise<void> => {
      const [oldest = ''] = (await readdir(folder)).filter((name) => name.endsWith('.journal')).sort();
      await rm(join(folder, oldest));
    };
    const warning = 'the journal has messages for sessions that it does not have: a part of it is missing';
    expect(await warningsAfter(removeOldest)).toEqual([warning]);
    expect(await warningsAfter(async () => undefined)).toEqual([]);
  });
});
