import { constants } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '@sallyport/files';
import type { ConnectorName } from '@sallyport/protocol';

/** A file for the devices of a connector, such as firmware. */
export interface Content {
  readonly id: string;
  readonly bytes: number;
  readonly updated: Date;
}

export interface OpenContent extends Content {
  readonly file: FileHandle;
}

const idPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const mostBytes = 64 * 1024 * 1024;
const mostListed = 1_000;

/** The contents of each connector: the files in the folder of its name. An operator puts them there. */
export class Contents {
  /** @param directory asked each time */
  constructor(private readonly directory: () => string) {}

  /** In the order of their ids. Empty when there is no folder. */
  async list(connector: ConnectorName): Promise<Content[]> {
    const names = await readdir(this.folderOf(connector)).catch(absent);
    const ids = (names ?? []).filter((name) => idPattern.test(name)).toSorted();
    const contents: Content[] = [];
    for (const id of ids.slice(0, mostListed)) {
      await using found = await this.opened(connector, id);
      if (found !== undefined) contents.push({ id, bytes: found.content.bytes, updated: found.content.updated });
    }
    return contents;
  }

  /** Undefined: there is no such content, or it is larger than 64 MiB. The caller closes its file. */
  async open(connector: ConnectorName, id: string): Promise<OpenContent | undefined> {
    if (!idPattern.test(id)) return undefined;
    // A link could lead out of the folder.
    const file = await open(
      join(this.folderOf(connector), id),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    ).catch(absent);
    if (file === undefined) return undefined;
    const status = await file.stat();
    if (status.isFile() && status.size <= mostBytes) return { id, bytes: status.size, updated: status.mtime, file };
    await file.close();
    return undefined;
  }

  private async opened(connector: ConnectorName, id: string) {
    const content = await this.open(connector, id);
    return content && { content, [Symbol.asyncDispose]: () => content.file.close() };
  }

  private folderOf(connector: ConnectorName): string {
    return join(this.directory(), connector);
  }
}

function absent(error: unknown): undefined {
  if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errorCode(error) ?? '')) return undefined;
  throw error;
}
