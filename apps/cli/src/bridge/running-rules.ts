import { mqttBridgeRoutes } from '@sallyport/protocol';
import { adminClientFor } from '../admin/admin-clients.js';
import { ServiceUnreachable } from '../admin/service-unreachable.js';
import type { CliContext } from '../cli-context.js';
import type { GlobalOptions } from '../options.js';
import type { ConnectionRules } from './connection-rules.js';

/** How the rules of the running bridge differ from those in the files. */
export interface RunningRules {
  readonly isSame: boolean;
  /** The same rules in another order. The first rule that matches applies. */
  readonly isReordered: boolean;
  /** Rules in the files that the bridge does not have. */
  readonly added: readonly string[];
  /** Rules the bridge still has. */
  readonly removed: readonly string[];
}

/**
 * Asks the running bridge what a reload would change.
 *
 * @returns undefined when no bridge runs for the connection
 */
export async function runningRules(
  { settings, connection, isConnected }: ConnectionRules,
  caller: { readonly context: CliContext; readonly options: GlobalOptions },
): Promise<RunningRules | undefined> {
  if (!isConnected) return undefined;
  try {
    const client = await adminClientFor('mqtt-bridge', settings, caller);
    const { changes } = await client.call(mqttBridgeRoutes.reload, { body: { dryRun: true } });
    const change = changes.find(({ name }) => name === connection.name);
    if (change?.change === 'added') return undefined;
    const { added = [], removed = [] } = change?.rules ?? {};
    // A change of rules without a rule is one of their order.
    const isReordered = change?.change === 'rules' && added.length + removed.length === 0;
    return { isSame: added.length + removed.length === 0 && !isReordered, isReordered, added, removed };
  } catch (fault) {
    if (fault instanceof ServiceUnreachable) return undefined;
    throw fault;
  }
}

/** The same in lines for people. */
export function runningLines(running: RunningRules | undefined): string[] {
  if (running === undefined) return [];
  if (running.isSame) return ['', 'The running bridge has these rules.'];
  return [
    '',
    'The running bridge has other rules. "sallyport bridge reload" changes:',
    ...(running.isReordered ? ['  the order of the rules'] : []),
    ...running.removed.map((rule) => `  - ${rule}`),
    ...running.added.map((rule) => `  + ${rule}`),
  ];
}
