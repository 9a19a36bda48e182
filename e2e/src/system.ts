import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const standaloneBundle = join(root, 'apps/standalone/dist/bundle/main.js');
const cliBundle = join(root, 'apps/cli/dist/bundle/main.js');

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Ports {
  readonly http: number;
  readonly pki: number;
  readonly pkiPublic: number;
  readonly registry: number;
  readonly mqtt: number;
}

/** The whole product as a user runs it: the built standalone in a process of its own, and the built CLI beside it. */
export class System {
  private constructor(
    readonly directory: string,
    readonly ports: Ports,
    private readonly env: NodeJS.ProcessEnv,
    private child: ChildProcess,
    private readonly output: { text: string },
  ) {}

  static async start(settings: Readonly<Record<string, string>> = {}): Promise<System> {
    const directory = await mkdtemp(join(tmpdir(), 'sp-'));
    const ports = await freePorts();
    const env = { ...process.env, ...environmentFor(directory, ports), ...settings };
    const output = { text: '' };
    const child = await launch(env, directory, output);
    return new System(directory, ports, env, child, output);
  }

  get configDirectory(): string {
    return join(this.directory, 'config');
  }

  /** Everything the system has printed so far, log lines included. */
  get log(): string {
    return this.output.text;
  }

  get fileUrl(): string {
    return `localhost:${this.ports.http}/tedge/file-transfer`;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Runs the CLI as a user types it. */
  sallyport(...args: string[]): Promise<CommandResult> {
    return this.run(process.execPath, ['--disable-warning=DEP0169', cliBundle, ...args]);
  }

  /** Runs a real client; its working directory is the system's own. */
  run(command: string, args: readonly string[]): Promise<CommandResult> {
    return new Promise((resolve) => {
      const options = { env: this.env, cwd: this.directory, maxBuffer: 64 * 1024 * 1024, timeout: 60_000 };
      execFile(command, args, options, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 255;
        resolve({ code, stdout, stderr });
      });
    });
  }

  /** Ends the process without a chance to clean up, and starts it again on the same directory. */
  async crashAndRestart(): Promise<void> {
    const gone = exited(this.child);
    this.child.kill('SIGKILL');
    await gone;
    this.child = await launch(this.env, this.directory, this.output);
  }

  /** Stops as Ctrl-C does; answers the exit code. */
  async stop(): Promise<number | null> {
    const gone = exited(this.child);
    this.child.kill('SIGINT');
    const code = await gone;
    await rm(this.directory, { recursive: true, force: true });
    return code;
  }
}

async function launch(env: NodeJS.ProcessEnv, cwd: string, output: { text: string }): Promise<ChildProcess> {
  const args = ['--disable-warning=DEP0169', '--enable-source-maps', standaloneBundle];
  const child = spawn(process.execPath, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  await new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output.text += chunk.toString();
      if (output.text.includes('Ctrl-C stops everything.')) resolve();
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

function environmentFor(directory: string, ports: Ports): NodeJS.ProcessEnv {
  return {
    TEDGE_CONFIG_DIR: join(directory, 'config'),
    TEDGE_HTTP_BIND_PORT: String(ports.http),
    TEDGE_HTTP_CLIENT_PORT: String(ports.http),
    TEDGE_PKI_BIND_PORT: String(ports.pki),
    TEDGE_PKI_PUBLIC_BIND_PORT: String(ports.pkiPublic),
    TEDGE_REGISTRY_BIND_PORT: String(ports.registry),
    TEDGE_MQTT_BIND_PORT: String(ports.mqtt),
    UV_THREADPOOL_SIZE: '16',
  };
}

/** Ports nobody listens on now. They are held together while being found, so they differ. */
async function freePorts(): Promise<Ports> {
  const servers = await Promise.all(Array.from({ length: 5 }, listenAnywhere));
  const [http = 0, pki = 0, pkiPublic = 0, registry = 0, mqtt = 0] = servers.map(({ port }) => port);
  await Promise.all(servers.map(({ close }) => close()));
  return { http, pki, pkiPublic, registry, mqtt };
}

function listenAnywhere(): Promise<{ port: number; close: () => Promise<void> }> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') return reject(new Error('no port'));
      const close = () => new Promise<void>((done) => server.close(() => done()));
      resolve({ port: address.port, close });
    });
  });
}
