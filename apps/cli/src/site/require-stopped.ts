import { Failure } from '../failure.js';
import { serviceStates } from './service-state.js';
import type { Site } from './site.js';

/**
 * A running service would continue with the old keys, and write their records again.
 *
 * @throws Failure: one of the services runs
 */
export async function requireStopped(site: Site): Promise<void> {
  const running = (await serviceStates(site)).filter((state) => state.isRunning || !isGone(state.code));
  if (running.length === 0) return;
  throw new Failure(
    `These services still run: ${running.map(({ service }) => service).join(', ')}.`,
    'Stop them, and run the command again.',
  );
}

function isGone(code: string): boolean {
  return code === 'ENOENT' || code === 'ECONNREFUSED';
}
