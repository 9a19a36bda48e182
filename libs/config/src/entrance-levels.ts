import { createHash } from 'node:crypto';
import { lchown, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode, hasCode, isAbsent, isDiskFull, makeFolder, writeFileAtomic } from '@sallyport/files';
import {
  type EntranceName,
  Problem,
  type SecurityLevel,
  securityLevel,
  stateFolders,
  statePlaces,
} from '@sallyport/protocol';
import { z } from 'zod';
import type { Settings } from './settings.js';

const fileMode = 0o644;

const entranceLevel = z.object({ level: securityLevel, inForceAt: z.iso.datetime().optional() });

/** The security level an entrance last had, and when it was last put in force. A damaged file does not say when. */
export type EntranceLevel = z.infer<typeof entranceLevel>;

/** True when one level asks less of a client than the other. */
export function isLower(one: SecurityLevel, other: SecurityLevel): boolean {
  return securityLevel.options.indexOf(one) < securityLevel.options.indexOf(other);
}

/**
 * The level an entrance last had. It is kept apart from the settings that decide it, so it is still there if they are lost.
 *
 * There are two copies, one in the state directory and one in the data directory. Each of the two may be read-only, new or
 * lost, and settings decide where they are. The copy with the higher level counts.
 */
export class EntranceLevels {
  private readonly paths: readonly string[];

  constructor(
    { directory, stateDirectory, dataDirectory }: Pick<Settings, 'directory' | 'stateDirectory' | 'dataDirectory'>,
    name: EntranceName,
  ) {
    // Replicas may share a data directory. Each has its own configuration directory and its own entrances.
    const site = createHash('sha256').update(directory).digest('hex').slice(0, 12);
    this.paths = [
      statePlaces(stateDirectory).levelOf(name),
      join(dataDirectory, stateFolders.levels, `${name}-${site}.json`),
    ];
  }

  /**
   * The level the entrance last had; undefined if it was never above plain.
   *
   * A copy that cannot be read counts as the highest level, so that we fail closed.
   */
  async read(): Promise<EntranceLevel | undefined> {
    const copies = await Promise.all(this.paths.map(readCopy));
    const known = copies.filter((copy) => copy !== undefined);
    return known.toSorted((one, other) => (isLower(one.level, other.level) ? 1 : -1))[0];
  }

  /**
   * Stores the level that the entrance has from now on.
   *
   * @throws Problem `forbidden` or `storage-full`: no copy can be written, or one that says otherwise cannot be changed.
   */
  async write(level: EntranceLevel): Promise<void> {
    const faults: unknown[] = [];
    let isWritten = false;
    for (const path of this.paths) {
      const former = await readCopy(path);
      const fault: unknown = await writeCopy(path, level).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (fault === undefined) isWritten = true;
      // A copy with too low a level does no harm. A copy with too high a level would keep the entrance shut.
      else if (former !== undefined && isLower(level.level, former.level)) throw writeProblem(path, fault);
      else faults.push(fault);
    }
    if (!isWritten) throw writeProblem(this.paths.join(' and '), faults[0]);
  }
}

async function readCopy(path: string): Promise<EntranceLevel | undefined> {
  try {
    return entranceLevel.safeParse(JSON.parse(await readFile(path, 'utf8'))).data ?? { level: 'mutual' };
  } catch (error) {
    if (isAbsent(error)) return undefined;
    if (error instanceof SyntaxError || errorCode(error) !== undefined) return { level: 'mutual' };
    throw error;
  }
}

async function writeCopy(path: string, level: EntranceLevel): Promise<void> {
  const directory = dirname(path);
  const isNew = await makeFolder(directory, 0o755);
  // The CLI may write first, as root. The service must be able to write here later.
  if (isNew) await giveToOwnerOf(dirname(directory), directory);
  // The folder may belong to the service. A symbolic link in it must not lead root to write elsewhere, so it is replaced.
  await writeFileAtomic(path, `${JSON.stringify(level)}\n`, { mode: fileMode, link: 'replaced' });
}

async function giveToOwnerOf(parent: string, directory: string): Promise<void> {
  const { uid, gid } = await stat(parent);
  // Not of what it points to, if somebody has put a symbolic link in its place.
  await lchown(directory, uid, gid).catch((error: unknown) => {
    if (!hasCode(error, 'EPERM')) throw error;
  });
}

function writeProblem(path: string, cause: unknown): Problem {
  const code = errorCode(cause);
  const isFull = isDiskFull(cause);
  return new Problem(
    isFull ? 'storage-full' : 'forbidden',
    `The security level of a listener could not be written down in ${path} (${code ?? String(cause)}). ` +
      (isFull ? 'Make room on the disk.' : 'Let the user of the service write there.'),
    { cause },
  );
}
