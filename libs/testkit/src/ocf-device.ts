import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { explainMissing } from './debian.js';
import { onProcessExit } from './process-exit.js';
import { mustRun } from './run-program.js';
import { type TemporaryDirectory, temporaryDirectory } from './temporary-directory.js';
import { waitFor } from './wait-for.js';

const sources = fileURLToPath(new URL('./ocf-device/', import.meta.url));
let building: Promise<TemporaryDirectory> | undefined;

/** The device as a program. It is compiled once in each process. */
export async function ocfDeviceProgram(): Promise<string> {
  building ??= build();
  return (await building).file('ocf-device');
}

async function build(): Promise<TemporaryDirectory> {
  const directory = temporaryDirectory('sallyport-ocf-');
  const files = (await readdir(sources)).filter((name) => name.endsWith('.c')).map((name) => `${sources}${name}`);
  const flags = ['-O1', '-Wall', '-Wextra', '-Werror'];
  await mustRun('gcc', [...flags, '-o', directory.file('ocf-device'), ...files, '-lcoap-3-openssl']);
  return directory;
}

export interface OcfDeviceOptions {
  readonly port: number;
  /** Its UUID. */
  readonly id: string;
  /** PEM files. */
  readonly caPath: string;
  readonly certificate?: { readonly certPath: string; readonly keyPath: string };
  /** `/oic/res` can be observed as a batch. */
  readonly isBatch?: boolean;
  /** How long `/light/1` thinks. */
  readonly slowMs?: number;
  /** What `/light/1` does instead of its work: never answers, sends what is no CBOR, 2 MB, or 4.04. */
  readonly misbehaviour?: 'silent' | 'garbage' | 'huge' | 'missing';
}

/**
 * A device of OCF made with libcoap. On one connection it sends requests and serves `/oic/res`, `/oic/d` and `/light/1`.
 *
 * @example
 * ```ts
 * await using device = await OcfDevice.start({ port, id, caPath, certificate });
 * expect(await device.ask('POST /oic/sec/session sign-in.cbor')).toBe('2.04 {"expiresin": 3480}');
 * ```
 */
export class OcfDevice implements AsyncDisposable {
  private readonly takeBack: () => void;
  private output = '';

  private constructor(private readonly child: ChildProcess) {
    this.takeBack = onProcessExit(() => void child.kill('SIGKILL'));
    const read = (chunk: Buffer): void => {
      this.output += chunk.toString();
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    // The device ends when its connection does.
    child.stdin?.on('error', () => child.stdin?.destroy());
  }

  /** @throws Error naming the Debian package when a program is missing */
  static async start(options: OcfDeviceOptions): Promise<OcfDevice> {
    const program = await ocfDeviceProgram();
    const child = spawn(program, [...wordsOf(options), `coaps+tcp://127.0.0.1:${options.port}`]);
    child.once('error', (error) => {
      throw explainMissing(program, error);
    });
    return new OcfDevice(child);
  }

  /** Everything it has printed: an answer is `2.04 {…}`, a request of the other side `<- GET /light/1`. */
  get lines(): string[] {
    return this.output.split('\n').slice(0, -1);
  }

  /**
   * Sends a request, and waits for the answer.
   *
   * @param request `GET /path`, `DELETE /path?query` or `POST /path FILE`; behind a file, numbers of its content format and
   *   of that of the answer
   * @returns code and content: `2.04 {"expiresin": 60}`, `4.01 text`; `closed` when the connection ended instead
   */
  async ask(request: string): Promise<string> {
    const before = this.answers.length;
    this.child.stdin?.write(`${request}\n`);
    await waitFor(() => this.answers.length > before, { what: `an answer to ${request} in: ${this.output}` });
    return this.answers[before] ?? '';
  }

  /** Switches its light by hand. */
  switchLight(to: 'on' | 'off'): void {
    this.child.stdin?.write(`light ${to}\n`);
  }

  /** Waits until it has printed a line. */
  async said(line: string | RegExp): Promise<void> {
    const isIt = (each: string) => (typeof line === 'string' ? each === line : line.test(each));
    await waitFor(() => this.lines.some(isIt), { what: `${line} in: ${this.output}` });
  }

  /** Waits until its connection has ended. */
  async closed(): Promise<void> {
    await this.said('closed');
  }

  /** Ends it as a device that loses its power. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.takeBack();
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }

  private get answers(): string[] {
    return this.lines.filter((line) => /^(?:\d\.\d\d|no answer|closed)\b/.test(line));
  }
}

function wordsOf({ id, caPath, certificate, isBatch, slowMs, misbehaviour }: OcfDeviceOptions): string[] {
  return [
    '--stay',
    ...['--di', id, '--ca', caPath],
    ...(certificate === undefined ? [] : ['--cert', certificate.certPath, '--key', certificate.keyPath]),
    ...(isBatch === true ? ['--batch'] : []),
    ...(slowMs === undefined ? [] : ['--slow', String(slowMs)]),
    ...(misbehaviour === undefined ? [] : ['--misbehave', misbehaviour]),
  ];
}
