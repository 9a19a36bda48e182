import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type BlockResult, Sandbox, type SandboxOptions } from './sandbox.js';

const apps = fileURLToPath(new URL('../../../apps', import.meta.url));
const standalone = `${apps}/standalone/dist/bundle/main.js`;
const cli = `${apps}/cli/dist/bundle/main.js`;

// `npx sallyport` is how our own documents call it.
const program = `exec "${process.execPath}" --disable-warning=DEP0169 "${cli}" "$@"`;

/** thin-edge.io has a process for each of these; here one process has all of them. */
const ownUnits: ReadonlySet<string> = new Set(['tedge-agent', 'tedge-mapper-c8y']);

/**
 * A separate machine with the product installed: `tedge` and `npx sallyport` are the built CLI, the service units `tedge-agent` and
 * `tedge-mapper-c8y` run the built standalone, and `/etc/tedge` exists and is empty.
 */
export class Machine implements AsyncDisposable {
  private agent: ChildProcess | undefined;
  private output = '';

  private constructor(readonly sandbox: Sandbox) {}

  static async boot(options: Pick<SandboxOptions, 'hostname' | 'address' | 'neighbour'>): Promise<Machine> {
    const units = { restart: (): Promise<void> => Promise.reject(new Error('the machine has not booted')) };
    const sandbox = await Sandbox.open({
      ...options,
      programs: { tedge: program, npx: `shift; ${program}` },
      onRestart: (unit) => (ownUnits.has(unit) ? units.restart() : Promise.reject(new Error(`no unit ${unit}`))),
    });
    const machine = new Machine(sandbox);
    units.restart = () => machine.restart();
    await machine.run('mkdir -p /etc/tedge');
    await machine.restart();
    return machine;
  }

  /** Everything the product has printed since its last start. */
  get log(): string {
    return this.output;
  }

  run(commands: string): Promise<BlockResult> {
    return this.sandbox.run(commands);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.sandbox[Symbol.asyncDispose]();
  }

  private async restart(): Promise<void> {
    await this.stop();
    this.output = '';
    const agent = this.sandbox.spawn(process.execPath, ['--disable-warning=DEP0169', standalone]);
    this.agent = agent;
    await new Promise<void>((resolve, reject) => {
      const read = (chunk: Buffer): void => {
        this.output += chunk.toString();
        if (this.output.includes('Ctrl-C stops everything.')) resolve();
      };
      agent.stdout?.on('data', read);
      agent.stderr?.on('data', read);
      agent.once('error', reject);
      agent.once('exit', (code) => reject(new Error(`the product ended with ${code}:\n${this.output}`)));
    });
  }

  private async stop(): Promise<void> {
    if (this.agent === undefined || this.agent.exitCode !== null || this.agent.signalCode !== null) return;
    const gone = once(this.agent, 'exit');
    this.agent.kill('SIGTERM');
    await gone;
  }
}
