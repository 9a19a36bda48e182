import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { startDaemon, type TestCa, type TestCertificate } from '@sallyport/testkit';
import { serviceFlags } from '../process/shipped.js';

/** A server of CoAP over mutual TLS. */
export interface Contestant {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  /** What is asked for: the time, a text of 15 bytes. */
  readonly path: string;
  readonly stop: () => Promise<void>;
}

export interface Stage {
  readonly ca: TestCa;
  readonly server: TestCertificate;
  readonly device: TestCertificate;
}

/** libcoap's own server (Debian's libcoap3-bin), which is written in C. Its port for TLS is the one after its first. */
export async function startLibcoap({ ca, server }: Stage): Promise<Contestant> {
  const files = ['-c', server.certPath, '-j', server.keyPath, '-R', ca.certPath];
  const { port, pid, stop } = await startDaemon({
    program: 'coap-server-openssl',
    args: (chosen) => ['-A', '127.0.0.1', '-p', String(chosen), '-v', '0', ...files],
  });
  return { name: 'libcoap', pid, port: port + 1, path: '/time', stop };
}

/** @param script the bundled program */
export async function startOurs(script: string, { ca, server }: Stage, isBare: boolean): Promise<Contestant> {
  const child = fork(script, { execArgv: serviceFlags, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  child.send({ isBare, certPath: server.certPath, keyPath: server.keyPath, caPath: ca.certPath });
  const [message] = await once(child, 'message');
  const stop = () => stopChild(child);
  const name = isBare ? 'Node alone' : 'ours';
  return { name, pid: child.pid ?? 0, port: message.port, path: '/time', stop };
}

async function stopChild(child: ChildProcess): Promise<void> {
  child.disconnect();
  await once(child, 'exit');
}
