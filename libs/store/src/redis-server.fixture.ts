import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A real Redis server of a test's own, on a Unix socket in a temporary directory. */
export class ThrowawayRedis {
  private constructor(
    private readonly directory: string,
    private readonly settings: readonly string[],
    private server: ChildProcess,
  ) {}

  /** @param settings more command-line arguments of redis-server */
  static async start(settings: readonly string[] = []): Promise<ThrowawayRedis> {
    const directory = await mkdtemp(join(tmpdir(), 'sallyport-redis-'));
    return new ThrowawayRedis(directory, settings, await startServer(directory, settings));
  }

  get url(): string {
    return `unix://${join(this.directory, 'redis.sock')}`;
  }

  /** Kills the server and starts it again, as an operator's upgrade would. */
  async restart(): Promise<void> {
    await this.kill();
    this.server = await startServer(this.directory, this.settings);
  }

  /** Leaves the connections open and answers no more. */
  freeze(): void {
    this.server.kill('SIGSTOP');
  }

  async kill(): Promise<void> {
    if (this.server.exitCode !== null || this.server.signalCode !== null) return;
    this.server.kill('SIGKILL');
    await once(this.server, 'exit');
  }

  /** Kills the server and removes what it wrote. */
  async remove(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }
}

async function startServer(directory: string, settings: readonly string[]): Promise<ChildProcess> {
  const base = [
    '--port',
    '0',
    '--unixsocket',
    'redis.sock',
    '--unixsocketperm',
    '600',
    '--save',
    '',
    '--dir',
    directory,
  ];
  const server = spawn('redis-server', [...base, ...settings], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: directory,
  });
  let output = '';
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new Error('redis-server was not found on PATH. Install the Debian package "redis-server".', { cause }));
    });
    server.once('exit', (code) => reject(new Error(`redis-server ended with code ${code}: ${output}`)));
    server.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes('eady to accept connections')) resolve();
    });
  });
  return server;
}
