import { createHash } from 'node:crypto';
import { chown, mkdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode, hasCode, isAbsent, replaceTextFile } from '@sallyport/files';
import {
  type EntranceGroup,
  Problem,
  type SecurityLevel,
  securityLevel,
  stateFolders,
  statePlaces,
} from '@sallyport/protocol';
import { z } from 'zod';
import type { Settings } from './settings.js';

const entranceLevel = z.object({ level: securityLevel, inForceAt: z.iso.datetime().optional() });

/** The security level an entrance last had, and when it was last put in force; a damaged note does not say when. */
export type EntranceLevel = z.infer<typeof entranceLevel>;

/** True when one level asks less of a client than the other. */
export function isLower(one: SecurityLevel, other: SecurityLevel): boolean {
  return securityLevel.options.indexOf(one) < securityLevel.options.indexOf(other);
}

/**
 * The level an entrance last had, kept apart from the settings that decide it, so that it stays when they are lost.
 *
 * There are two copies, one below the state directory and one below the data directory. Either directory may be
 * read-only, new or lost, and the place of the data directory is a setting itself. The higher copy counts.
 */
export class EntranceLevels {
  readonly #paths: readonly string[];

  constructor(
    { directory, stateDirectory, dataDirectory }: Pick<Settings, 'directory' | 'stateDirectory' | 'dataDirectory'>,
    group: EntranceGroup,
  ) {
    // Replicas that share a data directory have configuration directories of their own, and entrances of their own.
    const site = createHash('sha256').update(directory).digest('hex').slice(0, 12);
    this.#paths = [
      statePlaces(stateDirectory).levelOf(group),
      join(dataDirectory, stateFolders.levels, `${group}-${site}.json`),
    ];
  }

  /**
   * The level the entrance last had; undefined for an entrance that was never above plain.
   *
   * A copy that cannot be understood counts as the highest level: fails closed.
   */
  async read(): Promise<EntranceLevel | undefined> {
    const copies = await Promise.all(this.#paths.map(readCopy));
    const known = copies.filter((copy) => copy !== undefined);
    return known.toSorted((one, other) => (isLower(one.level, other.level) ? 1 : -1))[0];
  }

  /**
   * Writes down the level an entrance has from now on.
   *
   * @throws Problem `forbidden` or `storage-full`: no copy can be written, or one that says otherwise cannot be changed.
   */
  async write(level: EntranceLevel): Promise<void> {
    const faults: unknown[] = [];
    let isWritten = false;
    for (const path of this.#paths) {
      const former = await readCopy(path);
      const fault: unknown = await writeCopy(path, level).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (fault === undefined) isWritten = true;
      // An old copy with a lower level does no harm. One with a higher level would keep the entrance shut.
      else if (former !== undefined && isLower(level.level, former.level)) throw writeProblem(path, fault);
      else faults.push(fault);
    }
    if (!isWritten) throw writeProblem(this.#paths.join(' and '), faults[0]);
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
  const made = await mkdir(directory, { recursive: true, mode: 0o755 });
  // An administrator may be first to write here. The service must be able to write later.
  if (made === directory) await giveToOwnerOf(dirname(directory), directory);
  await replaceTextFile(path, `${JSON.stringify(level)}\n`);
}

async function giveToOwnerOf(parent: string, directory: string): Promise<void> {
  const { uid, gid } = await stat(parent);
  await chown(directory, uid, gid).catch((error: unknown) => {
    if (!hasCode(error, 'EPERM')) throw error;
  });
}

function writeProblem(path: string, cause: unknown): Problem {
  const code = errorCode(cause);
  const isFull = hasCode(cause, 'ENOSPC', 'EDQUOT');
  return new Problem(
    isFull ? 'storage-full' : 'forbidden',
    `The security level of a listener could not be written down in ${path} (${code ?? String(cause)}). ` +
      (isFull ? 'Make room on the disk.' : 'Let the user of the service write there.'),
    { cause },
  );
}
