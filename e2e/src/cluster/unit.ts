import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@sallyport/testkit';

/** The directories of the test that take the place of the system directories in the unit files. */
export interface Places {
  /** Takes the place of `/opt/sallyport`. */
  readonly prefix: string;
  /** Takes the place of `/etc/tedge`; a folder below it takes the place of `/run`. */
  readonly site: string;
}

/** A service as systemd would run it. Command and environment come from the unit file. */
export class Unit {
  private child: ChildProcess | undefined;
  private output = '';

  /** @param command program and arguments */
  constructor(
    private readonly command: readonly string[],
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  /** @param name `sallyport`, or `sallyport@agent` of the template `sallyport@.service` */
  static of(name: string, places: Places, env: NodeJS.ProcessEnv): Unit {
    const [template = name, instance = ''] = name.split('@');
    const file = fileURLToPath(new URL(`../../../deploy/systemd/${unitFile(template, instance)}`, import.meta.url));
    const lines = inPlace(readFileSync(file, 'utf8').replaceAll('%i', instance), places).split('\n');
    const valuesOf = (key: string) =>
      lines.filter((line) => line.startsWith(`${key}=`)).flatMap((line) => line.slice(key.length + 1).split(' '));
    const own = valuesOf('Environment').map((assignment) => assignment.split('='));
    return new Unit(valuesOf('ExecStart'), { ...env, ...Object.fromEntries(own) });
  }

  /** Everything it has printed, in all its runs. */
  get log(): string {
    return this.output;
  }

  /** Starts it, and does not wait until it is ready. */
  start(...args: string[]): void {
    const [program = '', ...rest] = this.command;
    const child = spawn(program, [...rest, ...args], { env: this.env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    this.child = child;
  }

  /** Runs the action, and waits until the text is printed once more than before. */
  async prints(text: string, act: () => Promise<unknown> | unknown = () => undefined): Promise<void> {
    const before = this.times(text);
    await act();
    const isPrinted = (): boolean => this.times(text) > before;
    const hasEnded = (): boolean => this.child?.exitCode !== null || this.child.signalCode !== null;
    await waitFor(() => isPrinted() || hasEnded(), { deadlineMs: 20_000 }).catch(() => undefined);
    if (!isPrinted()) throw new Error(`"${text}" is not in the log:\n${this.output.slice(-4_000)}`);
  }

  /**
   * Sends a signal and waits for the end; returns the exit code, or undefined if the signal itself ended the process.
   */
  async end(signal: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): Promise<number | undefined> {
    this.child?.kill(signal);
    return this.exitCode();
  }

  async exitCode(): Promise<number | undefined> {
    const { child } = this;
    if (child === undefined) return undefined;
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
    return child.exitCode ?? undefined;
  }

  private times(text: string): number {
    return this.output.split(text).length - 1;
  }
}

function unitFile(template: string, instance: string): string {
  return instance === '' ? `${template}.service` : `${template}@.service`;
}

function inPlace(text: string, { prefix, site }: Places): string {
  return text.replaceAll('/opt/sallyport', prefix).replaceAll('/etc/tedge', site).replaceAll('=/run', `=${site}/run`);
}
