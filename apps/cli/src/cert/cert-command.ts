import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { createCommand } from './create.js';
import { createCsrCommand } from './create-csr.js';
import { downloadCommand } from './download.js';
import { needsRenewalCommand } from './needs-renewal.js';
import { removeCommand } from './remove.js';
import { renewCommand } from './renew.js';
import { showCommand } from './show.js';
import { uploadCommand } from './upload.js';

/** `cert`: the certificate of this device. */
export function certCommand(context: CliContext, program: Command): void {
  const cert = program.command('cert').description('the certificate of this device');
  for (const add of [
    createCommand,
    createCsrCommand,
    downloadCommand,
    showCommand,
    needsRenewalCommand,
    renewCommand,
    uploadCommand,
    removeCommand,
  ])
    add(context, cert);
}
