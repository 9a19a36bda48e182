import { once } from 'node:events';
import { connect } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { closeTestContext, openTestContext, TestContext } from '@sallyport/runtime/testing';
import { type TemporaryDirectory, TestCa, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Entrances } from './entrances.js';
import type { SecurityInForce, SecuritySource } from './security-source.js';

const plain: SecurityInForce = { level: 'plain', security: { clientCertificate: 'none' }, warnings: [] };

/** Gives what it is told to, each time when it is told to. */
class SlowSource implements SecuritySource {
  readonly group = 'http';
  private readonly answers: Promise<SecurityInForce>[] = [];
  readonly address = () => ({ host: '127.0.0.1', port: 0 });

  private onChanged: (() => void) | undefined;

  /** Calls for another reading. */
  change(): void {
    this.onChanged?.();
  }

  get isWatched(): boolean {
    return this.onChanged !== undefined;
  }

  watch(onChanged: () => void): () => void {
    this.onChanged = onChanged;
    return () => {
      this.onChanged = undefined;
    };
  }

  /** The answer to one more reading. */
  add(answer: SecurityInForce | Promise<SecurityInForce>): void {
    this.answers.push(Promise.resolve(answer));
  }

  read(): Promise<SecurityInForce> {
    return this.answers.shift() ?? Promise.reject(new Error('one reading too many'));
  }
}

describe('changes to an entrance that overlap', () => {
  let ca: TestCa;
  let overTls: SecurityInForce;
  let directory: TemporaryDirectory;
  let context: TestContext;
  let entrances: Entrances;
  let source: SlowSource;

  beforeAll(async () => {
    ca = await TestCa.create();
    const { certPem, keyPem } = await ca.issue({ commonName: 'agent', subjectAltNames: ['DNS:localhost'] });
    const security = { certificatePem: certPem, keyPem, clientCertificate: 'none' } as const;
    overTls = { level: 'server', security, warnings: [] };
  });

  afterAll(() => ca[Symbol.asyncDispose]());

  beforeEach(async () => {
    directory = temporaryDirectory();
    context = await openTestContext(directory.path);
    entrances = new Entrances(context);
    source = new SlowSource();
  });

  afterEach(async () => {
    await entrances.beforeApplicationShutdown();
    await closeTestContext(context);
    await directory.remove();
  });

  const open = () => entrances.open({ name: 'greetings', source, handler: { http: (_, response) => response.end() } });

  it('leave in force what was read last', async () => {
    source.add(plain);
    const entrance = await open();
    const slow = Promise.withResolvers<SecurityInForce>();
    source.add(slow.promise);
    source.add(plain);

    const changes = [entrance.apply(), entrance.apply()];
    await nextTurn();
    slow.resolve(overTls);
    await Promise.all(changes);

    expect(entrances.describe()).toMatchObject([{ level: 'plain' }]);
  });

  it('leave in force the settings that were read last', async () => {
    const [older, newer] = [await context.reloadSettings(), await context.reloadSettings()];
    const slow = Promise.withResolvers<typeof older>();
    const readings = [slow.promise, Promise.resolve(newer)];
    const readSettings = () => readings.shift() ?? Promise.reject(new Error('one reading too many'));
    const slowContext = new TestContext({ ...context, settings: older, readSettings });
    const slowEntrances = new Entrances(slowContext);

    const reloads = [slowEntrances.reload(), slowEntrances.reload()];
    await nextTurn();
    slow.resolve(older);
    await Promise.all(reloads);

    expect(slowContext.settings).toBe(newer);
  });

  it('reach an entrance that is still being opened', async () => {
    const slow = Promise.withResolvers<SecurityInForce>();
    source.add(slow.promise);
    source.add(overTls);

    const opening = open();
    const { settings } = context;
    const reloaded = entrances.reload();
    await waitFor(() => context.settings !== settings);
    await nextTurn();
    slow.resolve(plain);
    await Promise.all([opening, reloaded]);

    expect(entrances.describe()).toMatchObject([{ level: 'server' }]);
  });

  it('open no entrance after the service has stopped', async () => {
    const slow = Promise.withResolvers<SecurityInForce>();
    source.add(slow.promise);

    const opening = open();
    const stopped = entrances.beforeApplicationShutdown();
    await nextTurn();
    slow.resolve(plain);
    const entrance = await opening;
    await stopped;

    expect(entrance.describe()?.isOpen).toBe(false);
  });

  it('leave no trace of an entrance that could not be opened', async () => {
    source.add(Promise.reject(new Error('no such file')));
    await expect(open()).rejects.toThrow('no such file');
    expect(entrances.describe()).toEqual([]);
  });

  it('are taken up when their source tells of them', async () => {
    source.add(plain);
    await open();
    source.add(overTls);

    source.change();

    await waitFor(() => entrances.describe()[0]?.level === 'server');
  });

  it('leave the entrance as it was when they cannot be put in force', async () => {
    source.add(plain);
    await open();
    source.add(Promise.reject(new Error('no such file')));
    source.add(overTls);

    source.change();
    await nextTurn();
    expect(entrances.describe()).toMatchObject([{ level: 'plain', isOpen: true }]);
    source.change();

    await waitFor(() => entrances.describe()[0]?.level === 'server');
  });

  it('are not asked about after the entrance is closed, or could not be opened', async () => {
    source.add(Promise.reject(new Error('no such file')));
    await expect(open()).rejects.toThrow('no such file');
    const watchedBefore = source.isWatched;
    source.add(plain);
    const entrance = await open();
    const watchedMeanwhile = source.isWatched;

    await entrance.close();

    expect([watchedBefore, watchedMeanwhile, source.isWatched]).toEqual([false, true, false]);
  });

  it('keep the limits the service asked for', async () => {
    source.add(plain);
    const handler = { http: () => undefined };
    await entrances.open({ name: 'polls', source, handler, limits: { idleMs: 50 } });
    const socket = connect(entrances.describe()[0]?.port ?? 0, '127.0.0.1');
    const closed = once(socket, 'close');

    socket.write('GET /poll HTTP/1.1\r\nHost: a\r\n\r\n');

    await closed;
  });
});
