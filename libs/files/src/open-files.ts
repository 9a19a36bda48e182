import { readdir, readlink, realpath } from 'node:fs/promises';

/**
 * Another process that has a file open. Linux tells this about processes of the same user, and root about all.
 *
 * @returns its number; undefined when there is none, or nobody can say
 */
export async function processWithOpenFile(path: string): Promise<number | undefined> {
  const file = await realpath(path).catch(() => path);
  const names = await readdir('/proc').catch(() => []);
  for (const pid of names.filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid))
    if ((await openFilesOf(pid)).includes(file)) return Number(pid);
  return undefined;
}

/** None for a process of another user, or one that has just ended. */
async function openFilesOf(pid: string): Promise<string[]> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  return Promise.all(descriptors.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')));
}
