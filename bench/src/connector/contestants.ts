import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { spawnNginx, type TestCa, type TestCertificate, temporaryDirectory } from '@sallyport/testkit';
import { serviceFlags } from '../process/shipped.js';

/** A server that takes values of devices over mutual TLS. */
export interface Contestant {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  /** CA of its certificate. */
  readonly caPem: string;
  readonly stop: () => Promise<void>;
}

export interface Stage {
  /** Of the servers. */
  readonly ca: TestCa;
  readonly server: TestCertificate;
  /** Of the devices. */
  readonly fleet: TestCa;
}

// Debian's libnginx-mod-http-lua; the first module is what the second needs.
const modules = ['ndk_http_module.so', 'ngx_http_lua_module.so'].map((file) => `/usr/lib/nginx/modules/${file}`);

// What the connector does without a store: the whole body, its values, and the name in the certificate.
const lua = `
  content_by_lua_block {
    ngx.req.read_body()
    local values = ngx.req.get_post_args()
    local name = string.match(ngx.var.ssl_client_s_dn, "CN=([^,]+)")
    if not name or not next(values) then return ngx.exit(400) end
    latest[name] = values
    return ngx.exit(204)
  }`;

/** nginx with Lua, which keeps the last values of each device in memory. */
export function startLua(stage: Stage): Promise<Contestant> {
  return startNginx('nginx with Lua', stage, { init: 'init_by_lua_block { latest = {} }', location: lua });
}

/** nginx that reads nothing and answers: no server that looks at its requests can be cheaper. */
export function startStatic(stage: Stage): Promise<Contestant> {
  return startNginx('nginx, return 204', stage, { init: '', location: 'return 204;' });
}

interface Work {
  readonly init: string;
  readonly location: string;
}

async function startNginx(name: string, { ca, server, fleet }: Stage, { init, location }: Work): Promise<Contestant> {
  const http = `
    keepalive_requests 1000000000; ${init}
    server {
      listen 127.0.0.1:$port ssl; ssl_session_tickets off;
      ssl_certificate ${server.certPath}; ssl_certificate_key ${server.keyPath};
      ssl_client_certificate ${fleet.certPath}; ssl_verify_client on;
      location = /api:v1/stack/alias { ${location} }
    }`;
  const { pid, port, stop } = await spawnNginx(http, { modules });
  return { name, pid, port, caPem: ca.certPem, stop };
}

/** The HTTP device API without the rest of its service, and with values stored or not. */
export async function startBare(script: string, stage: Stage, keeps: boolean): Promise<Contestant> {
  const { ca, server, fleet } = stage;
  const directory = temporaryDirectory('sallyport-b-');
  const child = fork(script, { execArgv: serviceFlags, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const paths = { certPath: server.certPath, keyPath: server.keyPath, caPath: fleet.certPath };
  child.send({ directory: directory.path, keeps, ...paths });
  const [message] = await once(child, 'message');
  const stop = async (): Promise<void> => {
    await stopChild(child);
    await directory.remove();
  };
  const name = keeps ? 'ours, values stored' : 'ours, HTTP and TLS';
  return { name, pid: child.pid ?? 0, port: message.port, caPem: ca.certPem, stop };
}

async function stopChild(child: ChildProcess): Promise<void> {
  child.disconnect();
  await once(child, 'exit');
}
