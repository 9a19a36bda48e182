import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { enrolmentTokenResponse } from '@sallyport/protocol';
import {
  freePorts,
  onProcessExit,
  type ProgramResult,
  runProgram,
  shippedNodeFlags,
  type TemporaryDirectory,
  temporaryDirectory,
  waitFor,
} from '@sallyport/testkit';
import { AdminApi } from '../admin-api.js';
import { Unit } from '../cluster/unit.js';
import type { FleetSite } from './fleet/messages.js';
import { SiteClock } from './site-clock.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const bundleOf = (app: string) => join(root, 'apps', app, 'dist/bundle/main.js');
const deadlineMs = 90_000;

export interface YearSiteOptions {
  /** What runs: `standalone`, or services that are processes of their own. */
  readonly apps: readonly string[];
  readonly settings: NodeJS.ProcessEnv;
}

/** A site at level mutual, with a clock that can be moved. Its services are processes from the built bundles. */
export class YearSite implements AsyncDisposable {
  private readonly units: readonly Unit[];
  private readonly takeBack: () => void;

  private constructor(
    private readonly directory: TemporaryDirectory,
    readonly clock: SiteClock,
    private readonly env: NodeJS.ProcessEnv,
    readonly ports: FleetSite,
    apps: readonly string[],
  ) {
    const flags = shippedNodeFlags(root, 'sallyport');
    const serviceEnv = { ...env, ...clock.serviceEnv };
    this.units = apps.map((app) => new Unit([process.execPath, ...flags, bundleOf(app)], serviceEnv));
    this.takeBack = onProcessExit(() => void this.kill());
  }

  /** Founds the site and takes it to level mutual. */
  static async start({ apps, settings }: YearSiteOptions): Promise<YearSite> {
    const directory = temporaryDirectory('sp-');
    const ports = await fleetSite(directory);
    mkdirSync(directory.file('etc'));
    const [pkiPublic, registry, connectorMqtt, pkiCoap] = await freePorts(4);
    const env = {
      ...process.env,
      TEDGE_CONFIG_DIR: directory.file('etc'),
      TEDGE_RUN_PATH: directory.file('run'),
      TEDGE_HTTP_BIND_PORT: String(ports.http),
      TEDGE_HTTP_CLIENT_PORT: String(ports.http),
      TEDGE_PKI_BIND_PORT: String(ports.pki),
      TEDGE_PKI_PUBLIC_BIND_PORT: String(pkiPublic),
      TEDGE_PKI_COAP_BIND_PORT: String(pkiCoap),
      TEDGE_REGISTRY_BIND_PORT: String(registry),
      TEDGE_MQTT_BIND_PORT: String(ports.mqtt),
      TEDGE_MQTT_CLIENT_PORT: String(ports.mqtt),
      TEDGE_MQTT_BROKER_SOCKET: directory.file('broker.sock'),
      TEDGE_CONNECTOR_BIND_PORT: String(ports.connector),
      TEDGE_CONNECTOR_MQTT_BIND_PORT: String(connectorMqtt),
      TEDGE_COAP_BIND_PORT: String(ports.coap),
      ...settings,
    };
    const site = new YearSite(directory, new SiteClock(directory.file('clock')), env, ports, apps);
    await site.resume();
    await site.mustRun('secure', 'mutual');
    await site.mustRun('ca', 'export', '--output', ports.rootPath);
    return site;
  }

  file(...names: string[]): string {
    return this.directory.file(...names);
  }

  get log(): string {
    return this.units.map(({ log }) => log).join('\n');
  }

  /** Starts all processes, and waits until each service is ready. */
  async resume(): Promise<void> {
    await this.boot();
    await this.ready();
  }

  /** Starts all processes. With a wrong clock they may not be able to serve anybody. */
  async boot(): Promise<void> {
    for (const unit of this.units) unit.start();
    await waitFor(() => accepts(this.ports.http), { deadlineMs, what: 'the processes to be up' });
  }

  private async ready(): Promise<void> {
    const isReady = async () => !/not running|not ready|waiting|down/.test((await this.sallyport('status')).stdout);
    const { http, pki, mqtt, connector, coap } = this.ports;
    // A service is ready before its entrance has a certificate.
    const isOpen = async () => (await Promise.all([http, pki, mqtt, connector, coap].map(accepts))).every(Boolean);
    // The CLI takes a second of the processor, which the services need for their start.
    const isUp = async () => (await isOpen()) && (await isReady());
    await waitFor(isUp, { deadlineMs, what: 'all services to be ready' }).catch((error: Error) => {
      throw new Error(`${error.message}:\n${this.log.slice(-8_000)}`);
    });
  }

  /** Switches the site off. */
  async stop(): Promise<void> {
    await Promise.all(this.units.map((unit) => unit.end('SIGTERM')));
  }

  sallyport(...args: string[]): Promise<ProgramResult> {
    const env = { ...this.env, ...this.clock.env };
    return runProgram(process.execPath, [bundleOf('cli'), ...args], { env, cwd: this.directory.path, deadlineMs });
  }

  async mustRun(...args: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.sallyport(...args);
    if (exitCode !== 0) throw new Error(`sallyport ${args.join(' ')} ended with ${exitCode}: ${stderr}${stdout}`);
    return stdout;
  }

  /** A one-time token for a new device. */
  async tokenFor(deviceId: string): Promise<string> {
    const signer = new AdminApi(this.directory.path, 'pki-signer');
    return (await signer.post('/v1/enrollments', { deviceId }, enrolmentTokenResponse)).token;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    this.takeBack();
    await this.directory.remove();
  }

  private async kill(): Promise<void> {
    await Promise.all(this.units.map((unit) => unit.end('SIGKILL')));
  }
}

/** Whether somebody listens on the port. */
async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const isOpen = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return isOpen;
}

async function fleetSite(directory: TemporaryDirectory): Promise<FleetSite> {
  const [http = 0, pki = 0, mqtt = 0, connector = 0, coap = 0] = await freePorts(5);
  const [rootPath, fleetCaPath] = [directory.file('root.pem'), directory.file('fleet-ca.pem')];
  return { http, pki, mqtt, connector, coap, cli: bundleOf('cli'), rootPath, fleetCaPath };
}
