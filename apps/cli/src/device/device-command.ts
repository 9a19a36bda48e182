import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { actionCommands } from './action.js';
import { credentialCommands } from './credentials.js';
import { enrollTokenCommand } from './enroll-token.js';
import { listCommand } from './list.js';
import { listCommands } from './lists.js';
import { ownerCommand } from './owner.js';
import { removalCommands } from './removal.js';
import { showCommand } from './show.js';
import { tagCommand } from './tag.js';
import { takeoverCommand } from './takeover.js';
import { timelineCommand } from './timeline.js';
import { transferCommands } from './transfer.js';
import { valueCommands } from './values.js';

/** `device`: who is admitted. */
export function deviceCommand(context: CliContext, program: Command): void {
  const device = program.command('device').description('devices: enrol, find, tag, lock, revoke, delete, import');
  const commands = [
    enrollTokenCommand,
    listCommand,
    showCommand,
    actionCommands,
    tagCommand,
    listCommands,
    ownerCommand,
    removalCommands,
    transferCommands,
    credentialCommands,
    takeoverCommand,
    timelineCommand,
    valueCommands,
  ];
  for (const add of commands) add(context, device);
}
