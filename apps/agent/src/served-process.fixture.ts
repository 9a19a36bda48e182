import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { ProcessOptions } from './file-transfer-process.fixture.js';

const startMessage = z.strictObject({ port: z.number() });

export interface Confinement {
  readonly openFiles?: number;
  /** The size of one file, in blocks of 512 bytes. */
  readonly fileBlocks?: number;
}

/** The file transfer service in a separate process. */
export class ServedProcess implements AsyncDisposable {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
  ) {}

  /**
   * @param script `file-transfer-process.fixture.ts`, bundled
   * @param confinement limits for the number of open files and for the size of a file; those of this process when absent
   */
  static async start(script: string, options: ProcessOptions, confinement: Confinement = {}): Promise<ServedProcess> {
    const { openFiles, fileBlocks } = confinement;
    const limits = [openFiles && `ulimit -n ${openFiles};`, fileBlocks && `ulimit -f ${fileBlocks};`].filter(Boolean);
    const confined = [...limits, `exec "${process.execPath}" "$0"`].join(' ');
    const program = limits.length === 0 ? { execArgv: [] } : { execPath: '/bin/sh', execArgv: ['-c', confined] };
    const child = fork(script, { ...program, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    // Its output matters only if it does not start.
    let complaints = '';
    child.stderr?.on('data', (text) => {
      complaints += text;
    });
    child.send(options);
    const [message] = await Promise.race([once(child, 'message'), once(child, 'exit')]);
    const started = startMessage.safeParse(message);
    if (!started.success) throw new Error(`The service did not start: ${complaints}`);
    return new ServedProcess(child, started.data.port);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Kills it, whatever it is doing. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }

  /** Its peak resident memory so far. */
  async peakBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}
