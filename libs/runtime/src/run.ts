import { giveAddressesTime, usePlainIssues } from '@sallyport/protocol';
import { SystemClock } from './clock.js';
import { openConfiguredStore } from './configured-store.js';
import { type Log, openLog } from './log.js';
import { networkConnection } from './network-connection.js';
import { RunningServices } from './running-services.js';
import type { ServiceDefinition } from './service-definition.js';
import { startArguments } from './start-arguments.js';
import { type StartingProcess, startProcess } from './start-process.js';

/**
 * Runs one service in this process until SIGINT or SIGTERM, on the broker and the store its settings name, as far as it
 * needs them. Waits for both, so services, broker and store may start in any order.
 */
export async function runService(definition: ServiceDefinition): Promise<void> {
  const given = startArguments(definition.name);
  if (given === undefined) return;
  const log = openLog();
  await runUntilSignal(log, async () => {
    const { stop } = await startProcess({ ...given, log }, (process) => startService(definition, process, log));
    return stop;
  });
}

async function startService(
  definition: ServiceDefinition,
  { settings, readSettings, health, runs, opened }: StartingProcess,
  log: Log,
): Promise<void> {
  runs([definition.name]);
  const store = definition.needs.store && (await openConfiguredStore(settings, log));
  if (store !== undefined) opened({ name: 'store', stop: () => store.close() });
  const services = new RunningServices({
    settings,
    readSettings,
    log,
    clock: new SystemClock(),
    health,
    ...(store === undefined ? {} : { store }),
    connectionFor: (service, inUse) => networkConnection(inUse, service),
  });
  opened({ name: 'services', stop: () => services.stop() });
  await services.start(definition);
}

/**
 * Starts, waits for SIGINT or SIGTERM, stops, and ends the process. The exit code is 0 after a signal, and 1 after a failed
 * start or an uncaught error. A signal during the start, or a second one during the stop, ends the process at once (130 or
 * 143). Nothing is lost: everything that was acknowledged is on disk.
 *
 * @param start resolves to what stops everything again
 */
export async function runUntilSignal(log: Log, start: () => Promise<() => Promise<void>>): Promise<void> {
  usePlainIssues();
  giveAddressesTime();
  const life = new ProcessLife(log);
  try {
    const stop = await start();
    await life.untilEnd();
    await stop();
  } catch (error) {
    log.error({ error }, life.isEnding ? 'stop failed' : 'start failed');
    process.exitCode = 1;
  }
  process.exit();
}

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

/** Ends the process after a signal or an uncaught error. */
class ProcessLife {
  isEnding = false;
  private end: (() => void) | undefined;

  constructor(private readonly log: Log) {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.on(signal, () => this.endOr(() => process.exit(exitCodes[signal])));
    process.on('SIGHUP', () => this.hangUp());
    process.on('uncaughtException', (error) => this.fail(error));
  }

  /**
   * Whoever typed the start has closed the terminal: then the services stop in order. Elsewhere the signal asks daemons to
   * read their files again, which we do by ourselves when they change.
   */
  private hangUp(): void {
    if (process.stdin.isTTY) this.endOr(() => process.exit(exitCodes.SIGTERM));
    else this.log.info({}, 'SIGHUP ignored, settings and certificates are read again when they change');
  }

  /** From now on a signal stops the services in order. */
  untilEnd(): Promise<void> {
    return new Promise((resolve) => {
      this.end = resolve;
    });
  }

  private fail(error: Error): void {
    this.log.error({ error }, 'a fault was not caught');
    process.exitCode = 1;
    this.endOr(() => process.exit());
  }

  private endOr(exitNow: () => void): void {
    if (this.end === undefined || this.isEnding) {
      exitNow();
      return;
    }
    this.isEnding = true;
    this.end();
  }
}
