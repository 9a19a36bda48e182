import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { exportCommand } from './export.js';
import { importCommand } from './import.js';
import { rotateCommand } from './rotate.js';
import { showCommand } from './show.js';

/** `ca`: the certificate authority of this site. */
export function caCommand(context: CliContext, program: Command): void {
  const ca = program.command('ca').description('the certificate authority of this site');
  for (const add of [showCommand, exportCommand, rotateCommand, importCommand]) add(context, ca);
}
