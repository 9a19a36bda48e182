import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { waitFor } from '@sallyport/testkit';

/** A running `mosquitto_sub`. */
export class Subscriber implements AsyncDisposable {
  private output = '';

  private constructor(private readonly child: ChildProcess) {
    const read = (chunk: Buffer): void => {
      this.output += chunk.toString();
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
  }

  /** Resolves when the broker has granted the subscriptions. */
  static async open(args: readonly string[]): Promise<Subscriber> {
    // Makes mosquitto_sub write each line at once. Into a pipe it would write in blocks.
    const child = spawn('stdbuf', ['-oL', 'mosquitto_sub', '-d', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const subscriber = new Subscriber(child);
    await subscriber.said(/^Subscribed \(mid/m);
    return subscriber;
  }

  /** Messages as `mosquitto_sub -v` shows them: topic and content. */
  get messages(): string[] {
    return this.output.split('\n').filter((line) => line !== '' && !/^(Client|Subscribed) /.test(line));
  }

  /** Waits until it has printed something. */
  async said(text: RegExp): Promise<void> {
    await waitFor(() => text.test(this.output), { what: `${text} in: ${this.output}` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }
}

/** A TCP relay that records when the broker ended the connection. Clients reconnect before they report it. */
export class Relay implements AsyncDisposable {
  /** Resolves to `performance.now()` at the end of the first connection. */
  readonly ended: Promise<number>;

  private constructor(
    private readonly server: Server,
    to: number,
  ) {
    this.ended = new Promise((resolve) => {
      server.on('connection', (near) => {
        const far = connect(to, '127.0.0.1');
        far.once('close', () => resolve(performance.now()));
        for (const socket of [near, far])
          socket.on('error', () => {
            near.destroy();
            far.destroy();
          });
        near.pipe(far).pipe(near);
      });
    });
  }

  /** @param to port of loopback */
  static async open(to: number): Promise<Relay> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Relay(server, to);
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => this.server.close(resolve));
  }
}
