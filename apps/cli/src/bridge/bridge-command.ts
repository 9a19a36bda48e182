import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { inspectCommand } from './inspect.js';
import { reloadCommand } from './reload.js';
import { testCommand } from './test.js';

/** `bridge`: the rules by which the bridge forwards messages between the local broker and a cloud. */
export function bridgeCommand(context: CliContext, program: Command): void {
  const bridge = program
    .command('bridge')
    .description('show and change which topics the bridge forwards to and from a cloud');
  for (const add of [inspectCommand, testCommand, reloadCommand]) add(context, bridge);
}
