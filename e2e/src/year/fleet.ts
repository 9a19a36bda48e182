import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bundleProgram, onProcessExit } from '@sallyport/testkit';
import {
  type DeviceSpec,
  type FleetAnswer,
  type FleetRequest,
  type Protocol,
  protocols,
  type WakeReport,
} from './fleet/messages.js';
import { SiteClock } from './site-clock.js';
import type { YearSite } from './year-site.js';

const source = fileURLToPath(new URL('./fleet/fleet.fixture.ts', import.meta.url));
type Asked = FleetRequest extends infer Each ? (Each extends FleetRequest ? Omit<Each, 'id'> : never) : never;

/** All devices of a site. They run in one process, with a clock that is not that of the site. */
export class Fleet implements AsyncDisposable {
  private readonly waiting = new Map<number, (reports: readonly WakeReport[]) => void>();
  private readonly takeBack: () => void;
  private readonly ended: Promise<never>;
  private asked = 0;
  private output = '';

  private constructor(
    private readonly site: YearSite,
    readonly clock: SiteClock,
    private readonly child: ChildProcess,
  ) {
    this.takeBack = onProcessExit(() => void child.kill('SIGKILL'));
    child.on('message', (answer: FleetAnswer) => {
      if (answer.kind === 'awake') this.waiting.get(answer.id)?.(answer.reports);
    });
    this.ended = once(child, 'exit').then(() => {
      throw new Error(`The program of the devices has ended: ${this.output}`);
    });
    // Who waits for the devices is told. At the end of a test nobody does.
    this.ended.catch(() => undefined);
    child.stderr?.on('data', (chunk: Buffer) => {
      this.output += chunk.toString();
    });
  }

  /** Starts the program, and makes its Client CA known to the connector. */
  static async start(site: YearSite): Promise<Fleet> {
    const program = await bundleProgram(source, site.file('fleet'));
    const clock = new SiteClock(site.file('device-clock'));
    const child = spawn(process.execPath, [program, JSON.stringify(site.ports)], {
      env: { ...process.env, ...clock.env },
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    const fleet = new Fleet(site, clock, child);
    await Promise.race([once(child, 'message'), fleet.ended]);
    await site.mustRun('connector', 'provisioning', '--self', 'on', '--auth', 'certificate', '--pki', 'on');
    await site.mustRun('connector', 'pki', '--pinning', 'same-ca');
    await site.mustRun('client-ca', 'add', site.ports.fleetCaPath);
    await site.mustRun('connector', 'save', '--yes');
    return fleet;
  }

  /** Gives each device what it needs, and lets it enrol. */
  async add(names: readonly string[], protocol: Protocol): Promise<void> {
    const devices: DeviceSpec[] = [];
    for (const [index, name] of names.entries()) devices.push(await this.prepare(name, protocol, index));
    await this.ask({ kind: 'add', devices });
  }

  /** Lets devices do what they do when they are awake. */
  wake(names: readonly string[]): Promise<readonly WakeReport[]> {
    return names.length === 0 ? Promise.resolve([]) : this.ask({ kind: 'wake', names });
  }

  private async prepare(name: string, protocol: Protocol, index: number): Promise<DeviceSpec> {
    const directory = this.site.file('devices', name);
    mkdirSync(directory, { recursive: true });
    const address = `127.0.${index + 1}.${1 + protocols.indexOf(protocol)}`;
    return { name, protocol, directory, address, secret: await this.secretFor(name, protocol, directory) };
  }

  private async secretFor(name: string, protocol: Protocol, directory: string): Promise<string> {
    const uuid = name.replace('uuid:', '');
    switch (protocol) {
      case 'coap':
        await this.site.mustRun('coap', 'identity', '--device', uuid, '--out', directory);
        return (await this.site.mustRun('coap', 'code', '--device', uuid, '--owner', 'alice')).trim();
      case 'connector':
        return '';
      case 'http':
      case 'mqtt':
      case 'cli':
        return this.site.tokenFor(name);
    }
  }

  private async ask(asked: Asked): Promise<readonly WakeReport[]> {
    const id = this.asked++;
    const { promise, resolve } = Promise.withResolvers<readonly WakeReport[]>();
    this.waiting.set(id, resolve);
    this.child.send({ ...asked, id });
    return Promise.race([promise, this.ended]).finally(() => this.waiting.delete(id));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.takeBack();
    this.child.kill('SIGKILL');
  }
}
