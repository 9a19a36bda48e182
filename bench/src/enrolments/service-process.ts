import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { adminSocketPath } from '@sallyport/protocol';
import { mustRun, waitFor } from '@sallyport/testkit';
import type { z } from 'zod';
import { root, serviceFlags } from '../process/shipped.js';

type BenchedService = 'pki-signer' | 'device-registry' | 'connector' | 'coap-gateway';

interface Sent {
  readonly body?: object;
  readonly ifMatch?: string;
}

/** A service in its own process, built as we ship it. */
export class ServiceProcess {
  private constructor(
    private readonly child: ChildProcess,
    private readonly socketPath: string,
    /** By `performance.now()`. */
    readonly spawnedAt: number,
  ) {}

  /** Milliseconds from the start of the process until it was ready. */
  startedInMs = 0;

  /** Builds and starts the service; resolves when it answers on its admin socket. */
  static async start(service: BenchedService, configDirectory: string): Promise<ServiceProcess> {
    const cwd = join(root, 'apps', service);
    await mustRun('rolldown', ['-c', '../../rolldown.config.mjs', '--logLevel', 'warn'], { cwd, deadlineMs: 60_000 });
    const args = [...serviceFlags, join(cwd, 'dist/bundle/main.js'), '--config-dir', configDirectory];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    process.once('exit', () => child.kill('SIGKILL'));
    const socketPath = adminSocketPath(join(configDirectory, 'run'), service, process.cwd());
    const started = new ServiceProcess(child, socketPath, performance.now());
    const isUp = async () => (await started.send('GET', '/healthz')).status === 200;
    await waitFor(isUp, { what: `${service} to start`, deadlineMs: 20_000 });
    started.startedInMs = performance.now() - started.spawnedAt;
    return started;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Sends an admin request and parses the answer with its schema. */
  async call<Schema extends z.ZodType>(
    method: 'GET' | 'POST' | 'PATCH',
    path: string,
    schema: Schema,
    sent: Sent = {},
  ): Promise<z.output<Schema>> {
    const { status, content } = await this.send(method, path, sent);
    if (status >= 300) throw new Error(`${method} ${path} answered ${status}: ${content}`);
    return schema.parse(JSON.parse(content));
  }

  /** The value of each sample of its metrics whose name matches, by its name with labels. */
  async metrics(name: RegExp): Promise<Map<string, number>> {
    const { content } = await this.send('GET', '/metrics');
    const samples = content.split('\n').filter((line) => name.test(line));
    return new Map(samples.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
  }

  async stop(): Promise<void> {
    const closed = once(this.child, 'close');
    this.child.kill('SIGTERM');
    await closed;
  }

  private send(method: string, path: string, sent: Sent = {}): Promise<{ status: number; content: string }> {
    const { body, ifMatch } = sent;
    const headers = {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
    };
    return new Promise((resolve, reject) => {
      const sent = request({ socketPath: this.socketPath, method, path, headers }, (response) => {
        text(response).then((content) => resolve({ status: response.statusCode ?? 0, content }), reject);
      });
      sent.once('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}
