import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The flags of Node in the systemd unit. So tests and benchmarks start what operators run.
 *
 * @param root folder of the repository
 * @param unit `sallyport`: everything in one process; `sallyport@`: each service in its own
 */
export function shippedNodeFlags(root: string, unit: 'sallyport' | 'sallyport@'): string[] {
  const lines = readFileSync(join(root, `deploy/systemd/${unit}.service`), 'utf8');
  const [, command = ''] = /^ExecStart=(.+)$/m.exec(lines) ?? [];
  return command.split(' ').filter((word) => word.startsWith('--'));
}
