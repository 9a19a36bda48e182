import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import {
  freePort,
  type ProgramResult,
  type RunOptions,
  runProgram,
  type TemporaryDirectory,
  temporaryDirectory,
} from '@sallyport/testkit';
import { extractCommands } from '../seeds/extract-commands.js';
import { Unit } from './unit.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const page = readFileSync(join(root, 'docs/deploy.md'), 'utf8');

/** The configuration directory of one machine, and the environment of its programs. */
export interface Machine {
  readonly site: string;
  readonly httpPort: number;
  readonly env: NodeJS.ProcessEnv;
}

/** A site of several machines in one temporary directory, made with the commands of `docs/deploy.md`. */
export class Cluster implements AsyncDisposable {
  private readonly units: Unit[] = [];

  private constructor(
    private readonly directory: TemporaryDirectory,
    readonly brokerPort: number,
    private readonly shared: NodeJS.ProcessEnv,
    /** The machine of the signer, the registry and the first agent. */
    readonly main: Machine,
  ) {}

  /** @param settings of the services, as `TEDGE_*` variables, and the variables of the page */
  static async prepare(settings: NodeJS.ProcessEnv = {}): Promise<Cluster> {
    const directory = temporaryDirectory('sp-');
    const [prefix, brokerPort, pkiPort] = [directory.file('opt'), await freePort(), await freePort()];
    const shared = {
      ...process.env,
      PATH: `${prefix}/bin:${process.env['PATH']}`,
      PREFIX: prefix,
      BROKER: directory.file('broker'),
      BROKER_CRL: directory.file('crls'),
      BROKER_HOST: 'localhost',
      BROKER_PORT: String(brokerPort),
      SIGNER: `https://localhost:${pkiPort}`,
      HERE: 'localhost',
      TOKEN_FILE: directory.file('token'),
      TEDGE_PKI_BIND_PORT: String(pkiPort),
      ...settings,
    };
    mkdirSync(shared.BROKER);
    mkdirSync(shared.BROKER_CRL);
    writeFileSync(directory.file('foo.txt'), 'Hello thin-edge.io\n');
    return new Cluster(directory, brokerPort, shared, await machineIn(directory.file('etc'), shared));
  }

  get path(): string {
    return this.directory.path;
  }

  get broker() {
    const { directory, brokerPort } = this;
    return {
      identity: directory.file('broker'),
      crls: directory.file('crls'),
      state: directory.file('broker-state'),
      port: brokerPort,
    };
  }

  /** Adds a machine to the site. */
  addMachine(name: string): Promise<Machine> {
    return machineIn(this.directory.file(name), this.shared);
  }

  /** A service as its unit file describes it. It ends with the cluster. */
  unit(name: string, { site, env }: Machine = this.main): Unit {
    const unit = Unit.of(name, { prefix: this.directory.file('opt'), site }, env);
    this.units.push(unit);
    return unit;
  }

  /** A service with only these settings: its configuration directory, its ports, and a plain broker. */
  process(service: string): Unit {
    const command = [this.directory.file('opt/bin/node'), this.directory.file('opt', service, 'main.js')];
    const unit = new Unit(command, { ...this.main.env, TEDGE_MQTT_CLIENT_PORT: String(this.brokerPort) });
    this.units.push(unit);
    return unit;
  }

  /** Kills all processes, as a crash does. */
  async endUnits(): Promise<void> {
    await Promise.all(this.units.splice(0).map((unit) => unit.end('SIGKILL')));
  }

  /** Runs all or some of the command blocks in a section of the page. They must succeed. */
  async run(section: string, { env }: Machine = this.main, blocks?: readonly number[]): Promise<void> {
    const commands = extractCommands(page, [section])
      .filter((_, block) => blocks?.includes(block) ?? true)
      .map((block) => block.commands);
    // The installation copies files from the clone. All other commands run in the directory of the test.
    const cwd = section === 'Install' ? root : this.path;
    const { exitCode, stderr } = await runProgram('sh', ['-e', '-c', commands.join('\n')], {
      env,
      cwd,
      deadlineMs: 60_000,
    });
    if (exitCode !== 0) throw new Error(`the commands of "${section}" failed: ${stderr}`);
  }

  sallyport(...args: string[]): Promise<ProgramResult> {
    return this.program('sallyport', args);
  }

  program(name: string, args: readonly string[], options: RunOptions = {}): Promise<ProgramResult> {
    const path = name === 'sallyport' ? this.directory.file('opt/bin/sallyport') : name;
    return runProgram(path, args, { env: this.main.env, cwd: this.path, ...options });
  }

  /** Enrols a child device with the CLI. Its files are in the directory with its name. */
  async enrol(name: string): Promise<void> {
    const token = await this.sallyport('device', 'enroll-token', name);
    const words = ['--config-dir', name, '--device-id', name, '--one-time-password', token.stdout.trim()];
    mkdirSync(this.directory.file(name));
    const { exitCode, stderr } = await this.sallyport(
      'cert',
      'download',
      ...words,
      '--url',
      this.shared['SIGNER'] ?? '',
    );
    if (exitCode !== 0) throw new Error(`${name} could not enrol: ${stderr}`);
  }

  /** Paths of the files of a child: CA, certificate and key. */
  filesOf(name: string) {
    const file = (base: string) => this.directory.file(name, 'device-certs', base);
    return { ca: file('ca.pem'), cert: file('tedge-certificate.pem'), key: file('tedge-private-key.pem') };
  }

  /** The output of curl when a child requests the file from an agent. */
  async curl(name: string, { httpPort }: Machine = this.main, ...args: string[]): Promise<ProgramResult> {
    const { ca, cert, key } = this.filesOf(name);
    const options = ['--silent', '--show-error', '--max-time', '10', '--cacert', ca, '--cert', cert, '--key', key];
    return this.program('curl', [...options, ...args, `https://localhost:${httpPort}/tedge/file-transfer/foo.txt`]);
  }

  /** SHA-256 of the certificate the broker shows to a child. */
  async brokerFingerprint(): Promise<string> {
    const { ca, cert, key } = this.filesOf('child01');
    const [caPem, certPem, keyPem] = await Promise.all([ca, cert, key].map((path) => readFile(path, 'utf8')));
    const identity = { ca: [caPem ?? ''], cert: certPem, key: keyPem };
    const socket = connect({ host: 'localhost', port: this.brokerPort, ...identity });
    await once(socket, 'secureConnect');
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.endUnits();
    await this.directory.remove();
  }
}

async function machineIn(site: string, shared: NodeJS.ProcessEnv): Promise<Machine> {
  mkdirSync(site);
  const httpPort = await freePort();
  const env = {
    ...shared,
    SITE: site,
    TEDGE_CONFIG_DIR: site,
    TEDGE_RUN_PATH: `${site}/run`,
    TEDGE_HTTP_BIND_PORT: String(httpPort),
    TEDGE_HTTP_CLIENT_PORT: String(httpPort),
    TEDGE_REGISTRY_BIND_PORT: String(await freePort()),
    TEDGE_PKI_PUBLIC_BIND_PORT: String(await freePort()),
    TEDGE_PKI_COAP_BIND_PORT: String(await freePort()),
    TEDGE_MQTT_BIND_PORT: String(await freePort()),
  };
  return { site, httpPort, env };
}
