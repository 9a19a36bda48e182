import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  freePorts,
  type ProgramResult,
  runProgram,
  type TemporaryDirectory,
  temporaryDirectory,
  waitFor,
} from '@sallyport/testkit';
import { Unit } from './cluster/unit.js';

const apps = fileURLToPath(new URL('../../apps', import.meta.url));
const bundleOf = (app: string) => join(apps, app, 'dist/bundle/main.js');

/** Paths of the certificate files of a device. */
export interface DeviceFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** A site of one machine whose services are processes of their own, from the built bundles. */
export class OwnProcesses implements AsyncDisposable {
  private readonly units = new Map<string, Unit>();

  private constructor(
    private readonly directory: TemporaryDirectory,
    private readonly env: NodeJS.ProcessEnv,
    readonly mqttPort: number,
    private readonly pkiUrl: string,
  ) {}

  /** @param settings as `TEDGE_*` variables, made from the directory of the site */
  static async prepare(settings: (directory: TemporaryDirectory) => NodeJS.ProcessEnv): Promise<OwnProcesses> {
    const directory = temporaryDirectory('sp-');
    const [http = 0, pki = 0, pkiPublic = 0, registry = 0, mqtt = 0, pkiCoap = 0] = await freePorts(6);
    mkdirSync(directory.file('etc'));
    const env = {
      ...process.env,
      TEDGE_CONFIG_DIR: directory.file('etc'),
      TEDGE_RUN_PATH: directory.file('run'),
      TEDGE_HTTP_BIND_PORT: String(http),
      TEDGE_HTTP_CLIENT_PORT: String(http),
      TEDGE_PKI_BIND_PORT: String(pki),
      TEDGE_PKI_PUBLIC_BIND_PORT: String(pkiPublic),
      TEDGE_PKI_COAP_BIND_PORT: String(pkiCoap),
      TEDGE_REGISTRY_BIND_PORT: String(registry),
      TEDGE_MQTT_BIND_PORT: String(mqtt),
      ...settings(directory),
    };
    return new OwnProcesses(directory, env, mqtt, `https://localhost:${pki}`);
  }

  file(...names: string[]): string {
    return this.directory.file(...names);
  }

  /** Starts the processes at once, and waits until each of them is ready. */
  async start(...apps: string[]): Promise<void> {
    for (const app of apps) {
      const unit = new Unit([process.execPath, '--disable-warning=DEP0169', bundleOf(app)], this.env);
      this.units.set(app, unit);
      unit.start();
    }
    await waitFor(async () => !/down|waiting|not ready/.test((await this.sallyport('status')).stdout), {
      deadlineMs: 30_000,
      what: `all services to be ready: ${this.log}`,
    });
  }

  unit(app: string): Unit {
    const unit = this.units.get(app);
    if (unit === undefined) throw new Error(`${app} was not started`);
    return unit;
  }

  get log(): string {
    return [...this.units].map(([app, { log }]) => `${app}:\n${log}`).join('\n');
  }

  sallyport(...args: string[]): Promise<ProgramResult> {
    return runProgram(process.execPath, [bundleOf('cli'), ...args], { env: this.env, cwd: this.directory.path });
  }

  /** Enrols a device with the CLI. */
  async enrol(name: string): Promise<DeviceFiles> {
    const token = (await this.sallyport('device', 'enroll-token', name)).stdout.trim();
    mkdirSync(this.file(name));
    const words = ['--config-dir', this.file(name), '--device-id', name, '--one-time-password', token];
    const { exitCode, stderr } = await this.sallyport('cert', 'download', ...words, '--url', this.pkiUrl);
    if (exitCode !== 0) throw new Error(`${name} could not enrol: ${stderr}`);
    const file = (base: string) => this.file(name, 'device-certs', base);
    return { ca: file('ca.pem'), cert: file('tedge-certificate.pem'), key: file('tedge-private-key.pem') };
  }

  /** Runs `mosquitto_pub` or `mosquitto_sub` as a device. */
  mosquitto(program: 'pub' | 'sub', { ca, cert, key }: DeviceFiles, ...args: string[]): Promise<ProgramResult> {
    const words = ['-h', 'localhost', '-p', String(this.mqttPort), '--cafile', ca, '--cert', cert, '--key', key];
    return runProgram(`mosquitto_${program}`, [...words, ...args]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.units.values()].map((unit) => unit.end('SIGKILL')));
    await this.directory.remove();
  }
}
