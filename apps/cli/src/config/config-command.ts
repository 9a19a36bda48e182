import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { addCommand, removeCommand, setCommand, unsetCommand } from './change.js';
import { getCommand } from './get.js';
import { listCommand } from './list.js';

/** `config`: the settings in tedge.toml, sallyport.toml, and mapper.toml of the clouds. */
export function configCommand(context: CliContext, program: Command): void {
  const config = program.command('config').description('the settings of this device and its clouds');
  for (const add of [getCommand, setCommand, unsetCommand, addCommand, removeCommand, listCommand])
    add(context, config);
}
