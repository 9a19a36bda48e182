import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A separate folder for the files of a tool. */
export interface Workbench {
  /** Writes a file and returns its path. */
  put(name: string, content: string | Uint8Array): string;
  path(name: string): string;
  /** Runs a program and returns its output on both streams. Throws when it fails. */
  run(program: string, ...args: string[]): string;
}

/** Makes a folder, runs `work` with it, and removes it. */
export function withWorkbench(work: (bench: Workbench) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-x509-'));
  const path = (name: string) => join(folder, name);
  const put = (name: string, content: string | Uint8Array) => {
    writeFileSync(path(name), content);
    return path(name);
  };
  const run = (program: string, ...args: string[]) => {
    const { status, stdout } = spawnSync('sh', ['-c', 'exec "$0" "$@" 2>&1', program, ...args], {
      encoding: 'utf8',
      cwd: folder,
    });
    if (status === 0) return stdout;
    throw new Error(`${program} ${args[0]} answered ${status}: ${stdout}`);
  };
  try {
    work({ put, path, run });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
