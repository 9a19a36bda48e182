import { randomBytes } from 'node:crypto';
import { chmod, rename, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { pause } from '@sallyport/concurrency';
import { hasCode } from '@sallyport/files';

// Another process asks one question meanwhile, over a socket of this machine.
const [renameAttempts, renamePauseMs] = [100, 20];

/**
 * Removes a socket that a crashed process left at a path, but never one that still answers.
 *
 * @returns false when another process listens there
 */
export async function freeSocketPath(socketPath: string): Promise<boolean> {
  return !(await answers(socketPath)) && !(await isAliveAside(socketPath));
}

/**
 * Renames the socket, unless a process answers on it. A process that started at the same moment may have begun to listen
 * since we looked. If we removed its socket, the service would run twice.
 */
async function isAliveAside(socketPath: string): Promise<boolean> {
  // Shorter than the name of any service, because the path of a socket has at most 108 bytes.
  const aside = join(dirname(socketPath), `.${randomBytes(3).toString('hex')}`);
  if (!(await renamed(socketPath, aside))) return false;
  const isAlive = await answers(aside);
  await (isAlive ? rename(aside, socketPath) : rm(aside));
  return isAlive;
}

/**
 * Lets only our user use the socket. A process that starts at the same moment may have renamed it for an instant, to see
 * whether somebody answers; it gives the name back then.
 */
export async function makeSocketPrivate(socketPath: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await chmod(socketPath, 0o600);
      return;
    } catch (error) {
      if (!hasCode(error, 'ENOENT') || attempt === renameAttempts) throw error;
    }
    await pause(renamePauseMs);
  }
}

async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
