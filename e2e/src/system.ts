import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ServiceName } from '@sallyport/protocol';
import { freePorts, onProcessExit, shippedNodeFlags } from '@sallyport/testkit';
import { AdminApi } from './admin-api.js';
import { Device } from './device.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const standaloneBundle = join(root, 'apps/standalone/dist/bundle/main.js');
/** The built CLI. */
export const cliBundle = join(root, 'apps/cli/dist/bundle/main.js');

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Returns the standard output of a command, and throws when the command has failed. */
export function succeeded({ code, stdout, stderr }: CommandResult): string {
  if (code !== 0) throw new Error(`The command ended with ${code}: ${stderr}${stdout}`);
  return stdout;
}

export interface Ports {
  readonly http: number;
  readonly pki: number;
  readonly pkiPublic: number;
  readonly registry: number;
  readonly mqtt: number;
  readonly connector: number;
  readonly connectorMqtt: number;
  readonly coap: number;
  readonly pkiCoap: number;
}

/** The whole product as a user runs it: a process of the built standalone, and the built CLI. */
export class System {
  private constructor(
    readonly directory: string,
    readonly ports: Ports,
    private readonly env: NodeJS.ProcessEnv,
    private child: ChildProcess,
    private readonly output: { text: string },
  ) {}

  /** @param settings by name, in addition to the ports */
  static async start(settings: Readonly<Record<string, string>> = {}): Promise<System> {
    const directory = await mkdtemp(join(tmpdir(), 'sp-'));
    const ports = await choosePorts();
    const env = { ...process.env, ...environmentFor(directory, ports), ...variablesFor(settings) };
    const output = { text: '' };
    const child = await launch(env, directory, output);
    return new System(directory, ports, env, child, output);
  }

  get configDirectory(): string {
    return join(this.directory, 'config');
  }

  /** The directory of the transferred files. */
  get filesDirectory(): string {
    return join(this.configDirectory, 'data/file-transfer');
  }

  /** Everything the system has printed so far, log lines included. */
  get log(): string {
    return this.output.text;
  }

  /** Memory of the process that is not swapped out, in MiB (proc(5): kB are 1024 bytes). */
  get residentMegabytes(): number {
    return this.memoryInKilobytes('VmRSS') / 1024;
  }

  /** The most memory that the process has had so far, in MB. */
  get peakMegabytes(): number {
    return (this.memoryInKilobytes('VmHWM') * 1024) / 1_000_000;
  }

  get fileUrl(): string {
    return `localhost:${this.ports.http}/tedge/file-transfer`;
  }

  get estUrl(): string {
    return `https://localhost:${this.ports.pki}`;
  }

  /** Runs the CLI as a user would. */
  sallyport(...args: string[]): Promise<CommandResult> {
    return this.run(process.execPath, ['--disable-warning=DEP0169', cliBundle, ...args]);
  }

  /** Runs a real client in the directory of the system. @param added to its environment */
  run(command: string, args: readonly string[], added: NodeJS.ProcessEnv = {}): Promise<CommandResult> {
    return new Promise((resolve) => {
      const options = {
        env: { ...this.env, ...added },
        cwd: this.directory,
        maxBuffer: 64 * 1024 * 1024,
        timeout: 60_000,
      };
      execFile(command, args, options, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 255;
        resolve({ code, stdout, stderr });
      });
    });
  }

  /** The admin API of a service, over its socket. */
  admin(service: ServiceName): AdminApi {
    return new AdminApi(this.configDirectory, service);
  }

  /** Makes a token and enrols a device with it, both with the CLI. The files of the device are in a new directory. */
  async enrol(name: string): Promise<Device> {
    const device = new Device(name, join(this.directory, name));
    await mkdir(device.directory);
    const token = succeeded(await this.sallyport('device', 'enroll-token', name)).trim();
    const args = ['--config-dir', device.directory, '--device-id', name, '--one-time-password', token];
    succeeded(await this.sallyport('cert', 'download', ...args, '--url', this.estUrl));
    return device;
  }

  /** Kills the process, so that it cannot clean up. */
  async kill(): Promise<void> {
    const gone = exited(this.child);
    this.child.kill('SIGKILL');
    await gone;
  }

  /** Ends the process as Ctrl-C does; returns its exit code. */
  async interrupt(): Promise<number | null> {
    const gone = exited(this.child);
    this.child.kill('SIGINT');
    return gone;
  }

  /** Starts the process again, with the same directory and the same ports. */
  async resume(): Promise<void> {
    this.child = await launch(this.env, this.directory, this.output);
  }

  private memoryInKilobytes(field: 'VmRSS' | 'VmHWM'): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  }

  /** Stops as Ctrl-C does, and removes all files; returns the exit code. */
  async stop(): Promise<number | null> {
    const code = this.child.exitCode ?? (this.child.signalCode === null ? await this.interrupt() : null);
    await rm(this.directory, { recursive: true, force: true });
    return code;
  }
}

async function launch(env: NodeJS.ProcessEnv, cwd: string, output: { text: string }): Promise<ChildProcess> {
  const before = output.text.length;
  const child = spawn(process.execPath, [...shippedNodeFlags(root, 'sallyport'), standaloneBundle], {
    env,
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.once(
    'exit',
    onProcessExit(() => void child.kill('SIGKILL')),
  );
  await new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output.text += chunk.toString();
      if (output.text.includes('Ctrl-C stops everything.', before)) resolve();
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', (code) => reject(new Error(`standalone ended with code ${code}:\n${output.text}`)));
  });
  return child;
}

function exited(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once('exit', (code) => resolve(code)));
}

async function choosePorts(): Promise<Ports> {
  const [http = 0, pki = 0, pkiPublic = 0, registry = 0, mqtt = 0, ...others] = await freePorts(9);
  const [connector = 0, connectorMqtt = 0, coap = 0, pkiCoap = 0] = others;
  return { http, pki, pkiPublic, registry, mqtt, connector, connectorMqtt, coap, pkiCoap };
}

function variablesFor(settings: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const variable = (name: string) => `TEDGE_${name.toUpperCase().replaceAll('.', '_')}`;
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [variable(name), value]));
}

function environmentFor(directory: string, ports: Ports): NodeJS.ProcessEnv {
  return {
    TEDGE_CONFIG_DIR: join(directory, 'config'),
    TEDGE_HTTP_BIND_PORT: String(ports.http),
    TEDGE_HTTP_CLIENT_PORT: String(ports.http),
    TEDGE_PKI_BIND_PORT: String(ports.pki),
    TEDGE_PKI_PUBLIC_BIND_PORT: String(ports.pkiPublic),
    TEDGE_REGISTRY_BIND_PORT: String(ports.registry),
    TEDGE_MQTT_BIND_PORT: String(ports.mqtt),
    TEDGE_CONNECTOR_BIND_PORT: String(ports.connector),
    TEDGE_CONNECTOR_MQTT_BIND_PORT: String(ports.connectorMqtt),
    TEDGE_COAP_BIND_PORT: String(ports.coap),
    TEDGE_PKI_COAP_BIND_PORT: String(ports.pkiCoap),
    UV_THREADPOOL_SIZE: '16',
    MALLOC_ARENA_MAX: '2',
  };
}
