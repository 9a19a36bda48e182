import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { hasCode } from '@sallyport/files';

/** The group may read, others have no access: 0640 and 0750. */
const defaultUmask = 0o027;

/**
 * Decides who on this machine may read stored files. Without a setting, files are made 0640 and folders 0750, or
 * stricter if the umask of the process is stricter. With a setting, only the setting counts.
 */
export class StorageModes {
  readonly fileMode: number;
  private readonly folderMode: number;
  private readonly isSet: boolean;

  /** @param umask permission bits that no file and no folder gets, such as 0o022 */
  constructor(umask?: number) {
    this.isSet = umask !== undefined;
    this.fileMode = 0o666 & ~(umask ?? defaultUmask);
    this.folderMode = 0o777 & ~(umask ?? defaultUmask);
  }

  /** The mode that a new file must be changed to; undefined when its mode is correct. */
  correctionFor(mode: number): number | undefined {
    return this.isSet && (mode & 0o777) !== this.fileMode ? this.fileMode : undefined;
  }

  makeFolder(path: string): void {
    mkdirSync(path, this.folderMode);
    if (this.isSet) chmodSync(path, this.folderMode);
  }

  /**
   * Makes the root. If an earlier release left the root open to everybody, reduces its permissions. Files below it keep
   * their mode, but others cannot reach them any more. Only a setting can open the root again.
   */
  openRoot(path: string): void {
    // Do not restrict the folders above the root, because other programs use them too.
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    mkdirSync(path, { recursive: true, mode: this.folderMode });
    const stats = lstatSync(path);
    // If the root is a link, the person who made the link decides about the target folder.
    if (!stats.isDirectory()) return;
    const mode = stats.mode & 0o777;
    const wanted = this.isSet ? this.folderMode : mode & this.folderMode;
    if (mode !== wanted) changeIfOurs(path, wanted);
  }
}

/** If another user owns the folder, we do not change its mode. */
function changeIfOurs(path: string, mode: number): void {
  try {
    chmodSync(path, mode);
  } catch (error) {
    if (!hasCode(error, 'EPERM', 'EROFS')) throw error;
  }
}
