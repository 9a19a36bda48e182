import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleProgram, type TemporaryDirectory } from '@sallyport/testkit';
import { TcpFront } from '@sallyport/testkit/fake-cloud';
import { z } from 'zod';

const startMessage = z.strictObject({ port: z.number() });
const source = fileURLToPath(new URL('../../../apps/mqtt-broker/src/entrance-process.fixture.ts', import.meta.url));

/** Bundles the program of the brokers. */
export function bundleBroker({ path }: TemporaryDirectory): Promise<string> {
  return bundleProgram(source, join(path, 'broker'));
}

export interface KeptBrokerOptions {
  /** Of `bundleBroker`. */
  readonly script: string;
  /** For its journal. */
  readonly directory: string;
  /** For a listener with TLS; plain without. */
  readonly tls?: { readonly certPath: string; readonly keyPath: string };
}

/**
 * A broker that has on disk what it acknowledges, so what is lost is lost by somebody else: our embedded broker, in a
 * process that a test kills. Its port stays.
 */
export class KeptBroker implements AsyncDisposable {
  private child: ChildProcess | undefined;
  private backPort = 0;

  private constructor(
    private readonly options: KeptBrokerOptions,
    /** Where clients connect; it can also cut them. */
    readonly front: TcpFront,
  ) {}

  static async start(options: KeptBrokerOptions): Promise<KeptBroker> {
    let portNow = (): number => 0;
    const broker = new KeptBroker(options, await TcpFront.open(() => portNow()));
    portNow = () => broker.backPort;
    await broker.resume();
    return broker;
  }

  get port(): number {
    return this.front.port;
  }

  /** Ends the process with SIGKILL, and resolves when it has gone. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined) return;
    this.child = undefined;
    child.kill('SIGKILL');
    await once(child, 'exit');
    this.front.cut();
  }

  /** Starts the process again, with the same journal. */
  async resume(): Promise<void> {
    const { script, directory, tls } = this.options;
    const child = fork(script, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] });
    child.send({ directory, ...tls });
    const [answer] = await Promise.race([once(child, 'message'), once(child, 'exit')]);
    this.child = child;
    this.backPort = startMessage.parse(answer).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.front[Symbol.asyncDispose]();
  }
}
