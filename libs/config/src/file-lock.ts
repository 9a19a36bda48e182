import { randomUUID } from 'node:crypto';
import { lstat, readlink, rm, symlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { hasCode } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import { z } from 'zod';
import { processIdentity, stateOf, thisProcess } from './process-identity.js';

const lockHolder = processIdentity.extend({ token: z.uuid() });
type LockHolder = z.infer<typeof lockHolder>;

const defaultWaitMs = 10_000;

// The settings are locked for milliseconds, and a change of the level takes seconds. We cannot see whether a process on
// another host is alive, so the age of the lock decides.
const abandonedAfterMs = 60_000;

/** Ending of the lock that is held while the lock of a dead process is removed. */
export const breakingSuffix = '.dead';

/**
 * Runs `action` while no other process holds the lock at `path`. The lock of a process that died is taken over.
 *
 * The lock is a symbolic link. It points to nothing; its text names the holder. Link and text are created in one step, so
 * nobody reads a half-written lock.
 *
 * @param waitMs milliseconds to wait for another process before giving up.
 * @throws Problem `unavailable`: another process kept the lock for longer than that.
 */
export async function withFileLock<T>(path: string, action: () => Promise<T>, waitMs = defaultWaitMs): Promise<T> {
  const token = await acquire(path, performance.now() + waitMs);
  try {
    return await action();
  } finally {
    // The lock is not ours only if this process was stopped for so long that another one took it over.
    if ((await holderOf(path))?.token === token) await rm(path, { force: true });
  }
}

async function acquire(path: string, deadline: number): Promise<string> {
  const holder = { ...(await thisProcess()), token: randomUUID() };
  while (!(await isCreated(path, holder))) {
    const present = await holderOf(path);
    if (present !== undefined && (await isAbandoned(path, present))) await breakLock(path, present, deadline);
    else if (performance.now() >= deadline) throw heldTooLong(path, present);
    else await pause(2 + Math.random() * 20);
  }
  return holder.token;
}

async function isCreated(path: string, holder: LockHolder): Promise<boolean> {
  try {
    await symlink(JSON.stringify(holder), path);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

async function holderOf(path: string): Promise<LockHolder | undefined> {
  try {
    return lockHolder.safeParse(JSON.parse(await readlink(path))).data;
  } catch (error) {
    // ENOENT: it was released meanwhile. EINVAL: it is no link, so we did not make it, and only a person may remove it.
    if (error instanceof SyntaxError || hasCode(error, 'ENOENT', 'EINVAL')) return undefined;
    throw error;
  }
}

async function isAbandoned(path: string, holder: LockHolder): Promise<boolean> {
  const state = await stateOf(holder);
  if (state !== 'unknown') return state === 'dead';
  const status = await lstat(path).catch(() => undefined);
  return status !== undefined && Date.now() - status.mtimeMs > abandonedAfterMs;
}

/**
 * Removes the lock of a dead process, but never a newer lock. Only one process at a time may remove the lock with this
 * token, and it checks again before it does.
 */
async function breakLock(path: string, dead: LockHolder, deadline: number): Promise<void> {
  const remove = async () => {
    if ((await holderOf(path))?.token === dead.token) await rm(path, { force: true });
  };
  await withFileLock(`${path}.${dead.token}${breakingSuffix}`, remove, deadline - performance.now());
}

function heldTooLong(path: string, holder: LockHolder | undefined): Problem {
  const who = holder === undefined ? 'Somebody' : `Process ${holder.pid}`;
  const remedy = `Try again; if nothing is changing the configuration, remove ${basename(path)} from its directory.`;
  return new Problem('unavailable', `${who} has kept the configuration locked. ${remedy}`);
}
