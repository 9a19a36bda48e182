import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { open, stat, statfs, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { quoted } from '@sallyport/config';
import { codeOrMessage } from '@sallyport/files';
import { adminSocketPath } from '@sallyport/protocol';
import { type Check, error, type Finding, warning } from '../check.js';
import type { CheckedSite } from '../checked-site.js';

/** A page of the smallest file that a service writes. */
const trialBytes = 4096;
// SQLite, journals and new certificates need room beside the old ones.
const scarceBytes = 64 * 1024 * 1024;

/** Folders of the data directory in which services make files while they run. */
const below = ['file-transfer', 'mqtt-broker', 'connector/content'];

/** Each folder that the services write to takes a file, and its disk has room. */
export const folders: Check = {
  id: 'folders',
  title: 'folders and disk space',
  run: async (checked) => {
    const { settings } = checked.site;
    const wanted = [
      settings.stateDirectory,
      settings.require('data.path'),
      join(settings.require('data.path'), 'store'),
      settings.require('run.path'),
      ...below.map((name) => join(settings.require('data.path'), name)),
    ];
    const findings = await Promise.all([...new Set(wanted)].map((folder) => inspect(checked, folder)));
    return oncePerDisk(findings.flat());
  },
};

/** A folder, as it was seen. */
interface Trial extends Finding {
  /** The file system it is on, when it is full. */
  readonly disk?: number;
}

/** A full disk is told once, whatever folders are on it. */
function oncePerDisk(trials: readonly Trial[]): Finding[] {
  const seen = new Set<number>();
  return trials.flatMap(({ disk, ...finding }) => {
    if (disk !== undefined && seen.has(disk)) return [];
    if (disk !== undefined) seen.add(disk);
    return [finding];
  });
}

async function inspect(checked: CheckedSite, folder: string): Promise<Trial[]> {
  const there = await stat(folder).catch(() => undefined);
  // A service makes its folders itself.
  if (there === undefined) return [];
  const owned = await ownerFinding(checked, folder, there);
  if (owned !== undefined) return [owned];
  const code = await trialFault(folder);
  return code === undefined
    ? roomFindings(folder, there.dev)
    : [faultFinding(checked, { folder, disk: there.dev, code })];
}

/** Root may write everywhere, so the user of the services is compared with the owner of the folder. */
async function ownerFinding({ site }: CheckedSite, folder: string, there: Stats): Promise<Trial | undefined> {
  const socketPath = adminSocketPath(site.settings.require('run.path'), 'pki-signer', '/');
  const socket = await stat(socketPath).catch(() => undefined);
  if (socket === undefined || process.getuid?.() !== 0 || socket.uid === 0) return undefined;
  const { uid, gid, mode } = there;
  const mayWrite = uid === socket.uid ? (mode & 0o200) !== 0 : gid === socket.gid && (mode & 0o020) !== 0;
  if (mayWrite || (mode & 0o002) !== 0) return undefined;
  const what = `${folder} cannot be written by the services, which run as user ${socket.uid}.`;
  return error(what, `chown ${socket.uid}:${socket.gid} ${quoted(folder)}`, full);
}

/** Writes a file as a service does, to the disk; the code of the fault when that fails. */
async function trialFault(folder: string): Promise<string | undefined> {
  const path = join(folder, `.sallyport-doctor-${randomBytes(6).toString('hex')}.tmp`);
  try {
    await using file = await open(path, 'wx', 0o600);
    await file.writeFile(randomBytes(trialBytes));
    await file.sync();
    return undefined;
  } catch (fault) {
    return codeOrMessage(fault);
  } finally {
    await unlink(path).catch(() => undefined);
  }
}

async function roomFindings(folder: string, disk: number): Promise<Trial[]> {
  const { bavail, bsize, files, ffree } = await statfs(folder);
  const freeBytes = bavail * bsize;
  const fix = largest(folder);
  if (freeBytes < trialBytes || (files > 0 && ffree === 0))
    return [{ ...error(`The disk of ${folder} is full.`, fix, full), disk }];
  if (freeBytes >= scarceBytes) return [];
  const megabytes = Math.floor(freeBytes / 1024 / 1024);
  return [{ ...warning(`The disk of ${folder} has only ${megabytes} MB left.`, fix), disk }];
}

const full = { breaks: ['disk', 'start', 'store'] } as const;

function faultFinding(
  { remedies }: CheckedSite,
  { folder, disk, code }: { folder: string; disk: number; code: string },
): Trial {
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return { ...error(`The disk of ${folder} is full: nothing can be written there.`, largest(folder), full), disk };
    case 'EROFS':
      return {
        ...error(
          `${folder} is on a file system that is read-only.`,
          `mount -o remount,rw "$(df --output=target ${quoted(folder)} | tail -n 1)"`,
          full,
        ),
        disk,
      };
    case 'EACCES':
    case 'EPERM':
      return error(`${folder} cannot be written by this user (${code}).`, remedies.chmod('u+rwx', folder), full);
    default:
      return error(`${folder} cannot be written: ${code}.`, `ls -ld ${quoted(folder)}`, full);
  }
}

/** Only a person can say what may go. This shows what takes the room. */
function largest(folder: string): string {
  return `du -xh --max-depth=2 ${quoted(dirname(folder))} | sort -h | tail`;
}
