import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { hasCode } from '@sallyport/files';

/** Group reads, others do nothing: 0640 and 0750. */
const defaultUmask = 0o027;

/**
 * Who on this machine may read what is stored. Without a setting, files are made 0640 and folders 0750, and stricter if
 * the process says so (umask); with one, they get what it leaves, whatever the process says.
 */
export class StorageModes {
  readonly fileMode: number;
  private readonly folderMode: number;
  private readonly isSet: boolean;

  /** @param umask permission bits that nothing gets, such as 0o022 */
  constructor(umask?: number) {
    this.isSet = umask !== undefined;
    this.fileMode = 0o666 & ~(umask ?? defaultUmask);
    this.folderMode = 0o777 & ~(umask ?? defaultUmask);
  }

  /** The mode a file needs yet after it has been made; undefined when it has the right one. */
  correctionFor(mode: number): number | undefined {
    return this.isSet && (mode & 0o777) !== this.fileMode ? this.fileMode : undefined;
  }

  makeFolder(path: string): void {
    mkdirSync(path, this.folderMode);
    if (this.isSet) chmodSync(path, this.folderMode);
  }

  /**
   * Makes the root, or closes one that an earlier release left open to everybody: what lies below keeps its mode, and
   * cannot be reached any more. Only a setting opens it.
   */
  openRoot(path: string): void {
    // Those above belong to others as well.
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    mkdirSync(path, { recursive: true, mode: this.folderMode });
    const stats = lstatSync(path);
    // Who put a link there decides about the folder it leads to.
    if (!stats.isDirectory()) return;
    const mode = stats.mode & 0o777;
    const wanted = this.isSet ? this.folderMode : mode & this.folderMode;
    if (mode !== wanted) changeIfOurs(path, wanted);
  }
}

/** A folder that is somebody else's is theirs to open and close. */
function changeIfOurs(path: string, mode: number): void {
  try {
    chmodSync(path, mode);
  } catch (error) {
    if (!hasCode(error, 'EPERM', 'EROFS')) throw error;
  }
}
