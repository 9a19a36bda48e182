import { randomUUID } from 'node:crypto';
import { link, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Problem } from '@sallyport/protocol';
import { z } from 'zod';
import { errorCode } from './error-code.js';
import { processIdentity, stateOf, thisProcess } from './process-identity.js';

const lockHolder = processIdentity.extend({ token: z.uuid() });
type LockHolder = z.infer<typeof lockHolder>;

const defaultWaitMs = 10_000;

// A lock is held for milliseconds. A holder on another host cannot be asked whether it lives, so age decides.
const abandonedAfterMs = 60_000;

/**
 * Runs `action` while no other process holds the lock file at `path`. The lock of a process that died is taken over.
 *
 * @param waitMs milliseconds to wait for another process before giving up.
 * @throws Problem `unavailable`: another process kept the lock for longer than that.
 */
export async function withFileLock<T>(path: string, action: () => Promise<T>, waitMs = defaultWaitMs): Promise<T> {
  const holder = { ...(await thisProcess()), token: randomUUID() };
  await acquire(path, holder, performance.now() + waitMs);
  try {
    return await action();
  } finally {
    // Not ours any more only if this process was stopped for so long that another one took over.
    if ((await holderOf(path))?.token === holder.token) await rm(path);
  }
}

async function acquire(path: string, holder: LockHolder, deadline: number): Promise<void> {
  const candidate = `${path}.${holder.token}`;
  await writeFile(candidate, JSON.stringify(holder), { flag: 'wx', mode: 0o644 });
  try {
    // link() makes a file with its content in one step, and only one process can win.
    while (!(await isLinked(candidate, path))) {
      const present = await holderOf(path);
      if (present !== undefined && (await isAbandoned(path, present))) await breakLock(path, present);
      else if (performance.now() >= deadline) throw heldTooLong(path, present);
      else await pause(2 + Math.random() * 20);
    }
  } finally {
    await rm(candidate);
  }
}

async function isLinked(existing: string, path: string): Promise<boolean> {
  try {
    await link(existing, path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST' || errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

async function holderOf(path: string): Promise<LockHolder | undefined> {
  try {
    return lockHolder.safeParse(JSON.parse(await readFile(path, 'utf8'))).data;
  } catch (error) {
    // Released in the meantime, or not written by us: then only a person may remove it.
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function isAbandoned(path: string, holder: LockHolder): Promise<boolean> {
  const state = await stateOf(holder);
  if (state !== 'unknown') return state === 'dead';
  const status = await stat(path).catch(() => undefined);
  return status !== undefined && Date.now() - status.mtimeMs > abandonedAfterMs;
}

/**
 * Removes the lock of a dead process, and never the lock somebody took since it was looked at: the marker is named
 * after the dead holder, so one process alone can create it, and it is a second name of the very file to be removed.
 */
async function breakLock(path: string, dead: LockHolder): Promise<void> {
  const marker = `${path}.${dead.token}.dead`;
  if (!(await isLinked(path, marker))) return;
  try {
    if ((await holderOf(marker))?.token === dead.token) await rm(path);
  } finally {
    await rm(marker);
  }
}

function heldTooLong(path: string, holder: LockHolder | undefined): Problem {
  const who = holder === undefined ? 'Somebody' : `Process ${holder.pid}`;
  const remedy = `Try again; if nothing is changing the configuration, remove ${basename(path)} from its directory.`;
  return new Problem('unavailable', `${who} has kept the configuration locked. ${remedy}`);
}
