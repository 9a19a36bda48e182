import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { actionCommands } from './action.js';
import { enrollTokenCommand } from './enroll-token.js';
import { listCommand } from './list.js';
import { showCommand } from './show.js';
import { takeoverCommand } from './takeover.js';
import { timelineCommand } from './timeline.js';
import { valueCommands } from './values.js';

/** `device`: who is admitted. */
export function deviceCommand(context: CliContext, program: Command): void {
  const device = program.command('device').description('devices: enrol, list, lock, revoke');
  for (const add of [
    enrollTokenCommand,
    listCommand,
    showCommand,
    actionCommands,
    takeoverCommand,
    timelineCommand,
    valueCommands,
  ])
    add(context, device);
}
