import { loadSettings, type ProcessArguments } from '@sallyport/config';
import { SystemClock } from './clock.js';
import { openConfiguredStore } from './configured-store.js';
import { type Log, openLog } from './log.js';
import { networkConnection } from './network-connection.js';
import { RunningServices } from './running-services.js';
import type { ServiceDefinition } from './service-definition.js';
import { settingsAtStart } from './settings-at-start.js';
import { startArguments } from './start-arguments.js';
import { stopInTurn } from './stop-in-turn.js';
import { explainFailedStart } from './taken-ports.js';

/**
 * Runs one service in this process until SIGINT or SIGTERM, on the broker and the store its settings name, as far as it
 * needs them. Waits for both, so services, broker and store may start in any order.
 */
export async function runService(definition: ServiceDefinition): Promise<void> {
  const given = startArguments(definition.name);
  if (given === undefined) return;
  const log = openLog();
  await runUntilSignal(log, () => startService(definition, given, log));
}

async function startService(
  definition: ServiceDefinition,
  { env, cwd, options }: ProcessArguments,
  log: Log,
): Promise<() => Promise<void>> {
  const inputs = { ...options, env, cwd };
  const settings = await settingsAtStart(inputs, log);
  const store = definition.needs.store && (await openConfiguredStore(settings, log));
  const services = new RunningServices({
    settings,
    readSettings: async () => (await loadSettings(inputs)).settings,
    log,
    clock: new SystemClock(),
    ...(store === undefined ? {} : { store }),
    connectionFor: (service) => networkConnection(settings, service),
  });
  const parts = [
    { name: 'services', stop: () => services.stop() },
    ...(store === undefined ? [] : [{ name: 'store', stop: () => store.close() }]),
  ];
  const stop = () => stopInTurn(parts, log);
  try {
    await services.start(definition);
  } catch (error) {
    // What could not be stopped is in the log; the caller has to hear why the start failed.
    await Promise.allSettled([stop()]);
    throw await explainFailedStart(error, settings, [definition.name], { env, cwd });
  }
  return stop;
}

/**
 * Starts, waits for SIGINT or SIGTERM, stops, and ends the process: exit code 0 after a signal, 1 after a failed start or
 * a fault nobody caught. A signal during the start, and a second one during the stop, end it at once (130 or 143): nothing
 * is lost by that, since whatever was acknowledged is on disk.
 *
 * @param start resolves to what stops everything again
 */
export async function runUntilSignal(log: Log, start: () => Promise<() => Promise<void>>): Promise<void> {
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

/** What the system and our own faults want of this process. */
class ProcessLife {
  isEnding = false;
  private end: (() => void) | undefined;

  constructor(private readonly log: Log) {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.on(signal, () => this.endOr(() => process.exit(exitCodes[signal])));
    process.on('uncaughtException', (error) => this.fail(error));
  }

  /** From here on a signal is answered with an orderly stop. */
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
