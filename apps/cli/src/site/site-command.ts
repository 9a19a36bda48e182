import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { refoundCommand } from './refound.js';
import { showCommand } from './show.js';

/** `site`: the installation as a whole. */
export function siteCommand(context: CliContext, program: Command): void {
  const site = program.command('site').description('this installation as a whole: show what it is, or found it again');
  for (const add of [showCommand, refoundCommand]) add(context, site);
}
