import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { spawnNginx, type TestCa, type TestCertificate } from '@sallyport/testkit';
import { serviceFlags } from '../process/shipped.js';

/** A proxy under test, or the upstream itself. */
export interface Contestant {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  /** Path before that of the upstream. */
  readonly prefix: string;
  readonly stop: () => Promise<void>;
}

export interface Stage {
  readonly ca: TestCa;
  readonly server: TestCertificate;
}

/** Starts a bundled program that takes its options and says its port over IPC. */
export async function startProgram(name: string, script: string, options: object): Promise<Contestant> {
  const child = fork(script, { execArgv: serviceFlags, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  child.send(options);
  const [message] = await once(child, 'message');
  return { name, pid: child.pid ?? 0, port: message.port, prefix: '', stop: () => stopChild(child) };
}

/** Starts nginx with one worker, and 64 connections to the upstream kept alive. */
export async function startNginx(upstreamPort: number, { ca }: Stage): Promise<Contestant> {
  const nginx = await spawnNginx(`
    keepalive_requests 1000000000; client_max_body_size 0; tcp_nodelay on;
    map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
    upstream cloud { server 127.0.0.1:${upstreamPort}; keepalive 64; keepalive_requests 1000000000; }
    server {
      listen 127.0.0.1:$port;
      location / {
        proxy_pass https://cloud; proxy_http_version 1.1;
        proxy_ssl_verify on; proxy_ssl_trusted_certificate ${ca.certPath}; proxy_ssl_name localhost;
        proxy_ssl_server_name on; proxy_buffering off; proxy_request_buffering off;
        proxy_set_header Host localhost; proxy_set_header Authorization "Bearer ${'t'.repeat(500)}";
        proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
      }
    }`);
  return { name: 'nginx', pid: nginx.pid, port: nginx.port, prefix: '', stop: nginx.stop };
}

async function stopChild(child: ChildProcess): Promise<void> {
  child.disconnect();
  await once(child, 'exit');
}
