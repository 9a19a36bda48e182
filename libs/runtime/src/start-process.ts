import { type LoadOptions, loadSettings, type ProcessArguments, type Settings } from '@sallyport/config';
import type { ServiceName } from '@sallyport/protocol';
import { ProcessHealth } from './health/process-health.js';
import type { Log } from './log.js';
import { settingsAtStart } from './settings-at-start.js';
import { type Stoppable, stopInOrder } from './stop-in-order.js';
import { explainFailedStart } from './taken-ports.js';

export interface ProcessOptions extends ProcessArguments {
  readonly log: Log;
}

/** A process that starts. */
export interface StartingProcess {
  readonly settings: Settings;
  readonly readSettings: () => Promise<Settings>;
  readonly health: ProcessHealth;
  /** Names the services of the process, in the order of their start; called before the first of them starts. */
  runs(services: readonly ServiceName[]): void;
  /** Call it for each part after it was opened. The parts are stopped in the opposite order. */
  opened(part: Stoppable): void;
}

/**
 * Starts a process: reads its settings, opens the port of its probes, then calls `start`. If something fails, everything
 * that was opened is stopped again.
 *
 * @returns what `start` opened, and what stops everything
 * @throws what `start` throws; Problem `config-invalid` with every taken port and the way out when one was the reason
 */
export async function startProcess<Running>(
  { env, cwd, options, log }: ProcessOptions,
  start: (process: StartingProcess) => Promise<Running>,
): Promise<{ running: Running; stop: () => Promise<void> }> {
  const inputs: LoadOptions = { ...options, env, cwd };
  const settings = await settingsAtStart(inputs, log);
  const readSettings = async () => (await loadSettings(inputs)).settings;
  const parts: Stoppable[] = [];
  let services: readonly ServiceName[] = [];
  const stop = () => stopInOrder(parts.splice(0).reverse(), log);
  try {
    const health = await ProcessHealth.open(settings, log);
    parts.push({ name: 'health', stop: () => health.close() });
    const running = await start({
      settings,
      readSettings,
      health,
      runs: (names) => {
        services = names;
      },
      opened: (part) => void parts.push(part),
    });
    health.started();
    return { running, stop };
  } catch (error) {
    // `stop` logs its own faults. The caller needs the reason why the start failed.
    await Promise.allSettled([stop()]);
    throw await explainFailedStart(error, settings, services, { env, cwd });
  }
}
