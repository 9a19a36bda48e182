import { join, relative } from 'node:path';
import type { ServiceName } from './entrances.js';
import { Problem } from './problems.js';

// sockaddr_un.sun_path on Linux holds 108 bytes, one of them the closing NUL.
const longestSocketPath = 107;

/** The directory of the admin sockets: Sallyport's own below `run.path`, which may be shared (`/run`). Mode 0700. */
export function adminSocketDirectory(runDirectory: string): string {
  return join(runDirectory, 'sallyport');
}

/**
 * Where the admin API of a service listens: a Unix socket, mode 0600.
 *
 * @param runDirectory absolute path: `run.path`
 * @param workingDirectory of this process; a deep run directory is reached relative to it
 * @throws Problem `config-invalid`: both spellings exceed what a socket address can hold
 */
export function adminSocketPath(runDirectory: string, service: ServiceName, workingDirectory: string): string {
  const absolute = join(adminSocketDirectory(runDirectory), `${service}.sock`);
  const spellings = [absolute, relative(workingDirectory, absolute)];
  const usable = spellings.find((path) => Buffer.byteLength(path) <= longestSocketPath);
  if (usable === undefined)
    throw new Problem(
      'config-invalid',
      `The run directory ${runDirectory} is too long for a Unix socket (${longestSocketPath} bytes). Set a shorter one: sallyport config set run.path /run`,
    );
  return usable;
}
