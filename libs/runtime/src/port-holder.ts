import { readdir, readFile, readlink } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { endianness } from 'node:os';
import { basename } from 'node:path';

/** Who listens on a port, as far as this user may know. */
export interface PortHolder {
  /** Name of the user the program runs as, or the number of a user without a name. */
  readonly user: string;
  /** Process and program; only root, and that user, may see them. */
  readonly process?: { readonly pid: number; readonly program: string };
}

/** State of a listening socket in /proc/net/tcp. */
const listening = '0A';

/**
 * Finds the program that holds a TCP port of this machine. Linux shows the user to everybody, but the process only to that
 * user and to root.
 *
 * @param place address and port we asked for
 * @param folders where the kernel tells, and the list of users
 * @returns undefined where it cannot be told: on another system, or inside a container for a port outside of it
 */
export async function portHolder(
  place: { readonly host: string; readonly port: number },
  folders: { readonly proc: string; readonly etc: string } = { proc: '/proc', etc: '/etc' },
): Promise<PortHolder | undefined> {
  const socket = await listeningSocket(place, folders.proc);
  if (socket === undefined) return undefined;
  const user = await userName(socket.uid, folders.etc);
  const pid = await processWith(`socket:[${socket.inode}]`, folders.proc);
  if (pid === undefined) return { user };
  // A program that was replaced since it started is marked as deleted.
  const program = basename(await linkOf(`${folders.proc}/${pid}/exe`)).replace(/ \(deleted\)$/, '');
  return { user, process: { pid: Number(pid), program: program === '' ? 'a program' : program } };
}

async function listeningSocket(
  { host, port }: { readonly host: string; readonly port: number },
  proc: string,
): Promise<{ uid: string; inode: string } | undefined> {
  const ending = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readIfAllowed(`${proc}/net/${name}`)));
  for (const line of tables.flatMap((table) => table.split('\n').slice(1))) {
    // sl, local address, remote address, state, queues, timer, retransmissions, uid, timeout, inode
    const [, local = '', , state, , , , uid = '', , inode = ''] = line.trim().split(/\s+/);
    if (state !== listening || !local.endsWith(ending)) continue;
    if (isInTheWay(local.slice(0, -ending.length), host)) return { uid, inode };
  }
  return undefined;
}

/** Whether a listener at an address, as the kernel writes it, keeps us from listening on the host. */
function isInTheWay(address: string, host: string): boolean {
  const isEverywhere = /^0+$/.test(address);
  // The kernel writes the bytes of an IPv4 address in the order of the processor: nearly always the last first.
  return isEverywhere || !isIPv4(host) || host === '0.0.0.0' || address.endsWith(hexOf(host));
}

function hexOf(host: string): string {
  const bytes = host.split('.').map((byte) => Number(byte).toString(16).toUpperCase().padStart(2, '0'));
  return (endianness() === 'LE' ? bytes.toReversed() : bytes).join('');
}

async function processWith(socket: string, proc: string): Promise<string | undefined> {
  const names = await readdir(proc).catch(() => []);
  for (const pid of names.filter((name) => /^\d+$/.test(name))) {
    // A process of another user, or one that has just ended, shows nothing.
    const descriptors = await readdir(`${proc}/${pid}/fd`).catch(() => []);
    const targets = await Promise.all(descriptors.map((name) => linkOf(`${proc}/${pid}/fd/${name}`)));
    if (targets.includes(socket)) return pid;
  }
  return undefined;
}

async function userName(uid: string, etc: string): Promise<string> {
  const lines = (await readIfAllowed(`${etc}/passwd`)).split('\n').map((line) => line.split(':'));
  return lines.find(([, , id]) => id === uid)?.[0] ?? uid;
}

function linkOf(path: string): Promise<string> {
  return readlink(path).catch(() => '');
}

function readIfAllowed(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
