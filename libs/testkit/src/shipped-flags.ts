import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The flags Node gets in production, as the systemd unit has them: what a test or a benchmark starts is what operators run.
 *
 * @param root folder of the repository
 */
export function shippedNodeFlags(root: string): string[] {
  const unit = readFileSync(join(root, 'deploy/systemd/sallyport.service'), 'utf8');
  const [, command = ''] = /^ExecStart=(.+)$/m.exec(unit) ?? [];
  return command.split(' ').filter((word) => word.startsWith('--'));
}
