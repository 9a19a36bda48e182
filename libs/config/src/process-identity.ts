import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { hasCode } from '@sallyport/files';
import { z } from 'zod';

/** Identifies a process. Another process with the same pid, earlier or later, has another identity. */
export const processIdentity = z.object({
  pid: z.int().positive(),
  /** Host name and pid namespace: a pid means nothing outside of both. */
  host: z.string(),
  /** Start in clock ticks since boot; empty where the system does not tell. */
  started: z.string(),
});
export type ProcessIdentity = z.infer<typeof processIdentity>;

/** Identity of this process. */
export async function thisProcess(): Promise<ProcessIdentity> {
  return { pid: process.pid, host: await thisHost(), started: await startOf(process.pid) };
}

/** `alive`, `dead`, or `unknown` for a process of another host or container. */
export async function stateOf(identity: ProcessIdentity): Promise<'alive' | 'dead' | 'unknown'> {
  if (identity.host !== (await thisHost())) return 'unknown';
  if (!isPidTaken(identity.pid)) return 'dead';
  const started = await startOf(identity.pid);
  return started === '' || started === identity.started ? 'alive' : 'dead';
}

async function thisHost(): Promise<string> {
  return `${hostname()} ${await readlink('/proc/self/ns/pid').catch(() => '')}`;
}

function isPidTaken(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM: there is such a process, and it belongs to somebody else.
    return hasCode(error, 'EPERM');
  }
}

async function startOf(pid: number): Promise<string> {
  const status = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  // proc(5): the start is field 22. Field 2 is the program's name in brackets; it may contain blanks and brackets.
  return status.slice(status.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
