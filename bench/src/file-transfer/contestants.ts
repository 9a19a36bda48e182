import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { spawnNginx, type TestCa, type TestCertificate } from '@sallyport/testkit';
import { bundleFixture } from '../process/bundle-fixture.js';
import { serviceFlags } from '../process/shipped.js';
import type { ServerAddress } from './load-connection.js';

export const levels = ['plain', 'server', 'mutual'] as const;
export type Level = (typeof levels)[number];

/** The event that an acknowledged PUT survives; with nginx it is `process-end`. */
export type Durability = 'process-end' | 'power-cut';

/** A server under test. */
export interface Contestant {
  readonly name: string;
  readonly pid: number;
  readonly address: ServerAddress;
  /** Path before the name of a file. */
  readonly prefix: string;
  readonly stop: () => Promise<void>;
}

export interface Stage {
  readonly ca: TestCa;
  readonly server: TestCertificate;
  readonly client: TestCertificate;
  /** Directory where the servers store their files. */
  readonly directory: string;
}

/** Builds only the file transfer service: the code we ship, behind the same secure listener. */
export function buildService(directory: string): Promise<string> {
  return bundleFixture('apps/agent/src/file-transfer-process.fixture.ts', directory);
}

/** Starts our service at a level. */
export async function startOurs(
  script: string,
  { level, durability, stage }: { level: Level; durability: Durability; stage: Stage },
): Promise<Contestant> {
  const directory = join(stage.directory, `ours-${level}-${durability}`);
  const child = fork(script, {
    execArgv: serviceFlags,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  child.send({ directory, durability, ...securityPaths(level, stage) });
  const [message] = await once(child, 'message');
  return {
    name: durability === 'power-cut' ? 'durable' : 'ours',
    pid: child.pid ?? 0,
    address: addressOf(message.port, level, stage),
    prefix: '/te/v1/files/',
    stop: () => stopChild(child, directory),
  };
}

/** Starts nginx with one worker, configured as in Debian, with dav for PUT. */
export async function startNginx(level: Level, stage: Stage): Promise<Contestant> {
  const directory = join(stage.directory, `nginx-${level}`);
  const temporary = `${directory}-temporary`;
  for (const path of [directory, temporary]) {
    await mkdir(path);
    await chmod(path, 0o777);
  }
  const nginx = await spawnNginx(`
    sendfile on; tcp_nopush on; keepalive_requests 1000000000; client_max_body_size 0;
    server {
      ${nginxSecurity(level, stage)}
      root ${directory}; client_body_temp_path ${temporary};
      location / { dav_methods PUT; create_full_put_path on; }
    }`);
  const stop = async (): Promise<void> => {
    await nginx.stop();
    await Promise.all([directory, temporary].map((path) => rm(path, { recursive: true })));
  };
  const address = addressOf(nginx.port, level, stage);
  return { name: 'nginx', pid: nginx.pid, address, prefix: '/', stop };
}

function nginxSecurity(level: Level, { ca, server }: Stage): string {
  if (level === 'plain') return 'listen 127.0.0.1:$port;';
  const pair = `ssl_certificate ${server.certPath}; ssl_certificate_key ${server.keyPath};`;
  const clients = level === 'mutual' ? `ssl_client_certificate ${ca.certPath}; ssl_verify_client on;` : '';
  return `listen 127.0.0.1:$port ssl; ${pair} ssl_session_tickets off; ${clients}`;
}

function securityPaths(level: Level, { ca, server }: Stage): { certPath?: string; keyPath?: string; caPath?: string } {
  if (level === 'plain') return {};
  const pair = { certPath: server.certPath, keyPath: server.keyPath };
  return level === 'server' ? pair : { ...pair, caPath: ca.certPath };
}

function addressOf(port: number, level: Level, { ca, client }: Stage): ServerAddress {
  if (level === 'plain') return { port };
  const identity = { certPem: client.certPem, keyPem: client.keyPem };
  return { port, caPem: ca.certPem, ...(level === 'mutual' ? identity : {}) };
}

async function stopChild(child: ChildProcess, directory: string): Promise<void> {
  child.disconnect();
  await once(child, 'exit');
  await rm(directory, { recursive: true });
}
