import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { acknowledgeCommand } from './acknowledge.js';
import { exportCommand } from './export.js';
import { tailCommand } from './tail.js';
import { verifyCommand } from './verify.js';

/** `audit`: who did what. */
export function auditCommand(context: CliContext, program: Command): void {
  const audit = program.command('audit').description('audit logs of the services: read, export, verify');
  for (const add of [verifyCommand, exportCommand, tailCommand, acknowledgeCommand]) add(context, audit);
}
