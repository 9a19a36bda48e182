import { mkdir, writeFile } from 'node:fs/promises';
import { type Daemon, startDaemon } from './daemon.js';
import { type TemporaryDirectory, temporaryDirectory } from './temporary-directory.js';

const isRoot = process.getuid?.() === 0;

/** Starts a Redis server without persistence. The URL is `redis://127.0.0.1:<port>`. */
export async function spawnRedis(
  options: { readonly args?: readonly string[] } = {},
): Promise<Daemon & { url: string }> {
  const directory = temporaryDirectory('sallyport-redis-');
  const settings = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', directory.path];
  const daemon = await started(directory, {
    program: 'redis-server',
    args: (port) => ['--port', String(port), ...settings, ...(options.args ?? [])],
  });
  return { ...daemon, url: `redis://127.0.0.1:${daemon.port}` };
}

export interface MosquittoOptions {
  /** PEM files; with them the listener is TLS. */
  readonly tls?: { readonly certPath: string; readonly keyPath: string; readonly caPath?: string };
  /** Clients must show a certificate of `caPath`. */
  readonly requireCertificate?: boolean;
  /** More lines of the configuration file. */
  readonly config?: readonly string[];
  /** To start again on the port of a stopped broker. */
  readonly port?: number;
}

/** Starts a Mosquitto broker. The URL is `mqtt://127.0.0.1:<port>`, or `mqtts://localhost:<port>` with TLS. */
export async function spawnMosquitto(options: MosquittoOptions = {}): Promise<Daemon & { url: string }> {
  const directory = temporaryDirectory('sallyport-mosquitto-');
  const configPath = directory.file('mosquitto.conf');
  const { port } = options;
  const daemon = await started(directory, {
    program: 'mosquitto',
    ...(port === undefined ? {} : { port }),
    args: async (chosen) => {
      await writeFile(configPath, mosquittoConfig(chosen, options).join('\n'));
      return ['-c', configPath];
    },
  });
  const url = options.tls === undefined ? `mqtt://127.0.0.1:${daemon.port}` : `mqtts://localhost:${daemon.port}`;
  return { ...daemon, url };
}

export interface NginxOptions {
  /** Paths of modules to load, in this order. */
  readonly modules?: readonly string[];
}

/**
 * Starts nginx. `http` is the text inside `http { }`; `$port` in it is replaced by the port, `$root` by an empty
 * directory that exists as long as the server.
 */
export async function spawnNginx(
  http: string,
  { modules = [] }: NginxOptions = {},
): Promise<Daemon & { root: string }> {
  const directory = temporaryDirectory('sallyport-nginx-');
  const root = directory.file('root');
  await mkdir(root, { mode: 0o777 });
  const daemon = await started(directory, {
    program: 'nginx',
    args: async (port) => {
      const text = http.replaceAll('$port', String(port)).replaceAll('$root', root);
      await writeFile(directory.file('nginx.conf'), nginxConfig(directory, text, modules));
      return ['-p', directory.path, '-e', 'stderr', '-c', directory.file('nginx.conf')];
    },
  });
  return { ...daemon, root };
}

async function started(directory: TemporaryDirectory, options: Parameters<typeof startDaemon>[0]): Promise<Daemon> {
  try {
    const daemon = await startDaemon(options);
    const endWith = (end: () => Promise<void>) => async (): Promise<void> => {
      await end();
      await directory.remove();
    };
    const stop = endWith(daemon.stop);
    return { ...daemon, stop, kill: endWith(daemon.kill), [Symbol.asyncDispose]: stop };
  } catch (error) {
    await directory.remove();
    throw error;
  }
}

function mosquittoConfig(port: number, { tls, requireCertificate = false, config = [] }: MosquittoOptions): string[] {
  const listener = [`listener ${port} 127.0.0.1`, 'allow_anonymous true'];
  const files = tls === undefined ? [] : [`certfile ${tls.certPath}`, `keyfile ${tls.keyPath}`];
  const ca = tls?.caPath === undefined ? [] : [`cafile ${tls.caPath}`];
  const clients = requireCertificate ? ['require_certificate true', 'use_identity_as_username true'] : [];
  // If root starts it, it becomes user "mosquitto", who cannot read the files of the test.
  const user = isRoot ? ['user root'] : [];
  return [...user, 'persistence false', ...listener, ...files, ...ca, ...clients, ...config, ''];
}

function nginxConfig(directory: TemporaryDirectory, http: string, modules: readonly string[]): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return [
    ...(isRoot ? ['user root;'] : []),
    ...modules.map((path) => `load_module ${path};`),
    'daemon off;',
    `pid ${directory.file('nginx.pid')};`,
    'worker_processes 1;',
    'error_log stderr warn;',
    'events { worker_connections 256; }',
    'http {',
    'access_log off;',
    ...temporary.map((name) => `${name}_temp_path ${directory.file(`${name}-temp`)};`),
    http,
    '}',
    '',
  ].join('\n');
}
