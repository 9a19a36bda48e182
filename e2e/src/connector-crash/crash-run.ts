import { setTimeout as sleep } from 'node:timers/promises';
import type { DeviceEvent } from '@sallyport/protocol';
import { TestCa, waitFor } from '@sallyport/testkit';
import { type ConnectorPorts, type CrashDevice, HttpDevice, MqttDevice } from './crash-devices.js';
import { type EventLedger, writesIn } from './event-ledger.js';

/** A site whose registry and connector can be killed. */
export interface CrashingSite {
  readonly ports: ConnectorPorts;
  readonly ledger: EventLedger;
  /** Issues the certificates of the devices; it is a Client CA of the default connector. */
  readonly clientCa: TestCa;
  /** Ends processes with SIGKILL, and resolves when they have gone. */
  kill(): Promise<void>;
  /** Starts them again. Resolves when devices can connect. */
  resume(): Promise<void>;
  /** The whole timeline of a device, newest first. */
  timelineOf(device: string): Promise<readonly DeviceEvent[]>;
}

/** What is wrong after all kills. Nothing of it may be. */
export interface CrashFaults {
  /** Acknowledged writes that no event tells of. */
  readonly lostOnMqtt: string[];
  readonly lostInTimeline: string[];
  /** Devices with no `provisioned`, with two, or with one that came late. */
  readonly provisioned: string[];
  /** Writes with more events than the device sent them, and ids that the timeline has twice. */
  readonly twice: string[];
}

export interface CrashReport {
  readonly kills: number;
  readonly devices: number;
  readonly acknowledged: number;
  readonly faults: CrashFaults;
}

/** A kill comes at a random moment of this time under load, in milliseconds. */
const [soonest, latest] = [50, 600];
const newDevicesPerKill = 4;
const deadlineMs = 60_000;

/**
 * Kills registry and connector again and again, while devices that are known write values over HTTP and MQTT, and new ones
 * make their first contact.
 */
export async function killAgainAndAgain(site: CrashingSite, kills: number): Promise<CrashReport> {
  const run = new CrashRun(site);
  await run.begin();
  for (let kill = 0; kill < kills; kill += 1) await run.crash(kill);
  return run.report(kills);
}

class CrashRun {
  private readonly devices: CrashDevice[] = [];
  /** They write during every kill. */
  private permanent: readonly CrashDevice[] = [];

  constructor(private readonly site: CrashingSite) {}

  async begin(): Promise<void> {
    await this.site.ledger.connect();
    this.permanent = await this.newDevices('known');
    await this.writeUntilAcknowledged(this.permanent);
  }

  async crash(kill: number): Promise<void> {
    const { site, permanent } = this;
    const fresh = await this.newDevices(`new-${kill}`);
    const writing = [...permanent, ...fresh].map((device) => device.writeUntilCut());
    await sleep(soonest + Math.random() * (latest - soonest));
    await site.kill();
    for (const device of [...permanent, ...fresh]) device.stop();
    await Promise.all(writing);
    await site.resume();
    await waitFor(() => site.ledger.connect().then(() => true), { what: 'the broker after a kill', deadlineMs });
    await this.writeUntilAcknowledged([...permanent, ...fresh]);
  }

  async report(kills: number): Promise<CrashReport> {
    const faults: CrashFaults = { lostOnMqtt: [], lostInTimeline: [], provisioned: [], twice: [] };
    for (const device of this.devices) await this.judge(device, faults);
    const acknowledged = this.devices.reduce((sum, { numbers }) => sum + numbers.acknowledged, 0);
    return { kills, devices: this.devices.length, acknowledged, faults };
  }

  private async newDevices(name: string): Promise<readonly CrashDevice[]> {
    const { clientCa, ports } = this.site;
    const devices: CrashDevice[] = [];
    for (let index = 0; index < newDevicesPerKill; index += 1) {
      const options = { name: `${name}-${index}`, ports };
      const certificate = await clientCa.issue({ commonName: options.name, key: 'P-256' });
      const Kind = index % 2 === 0 ? HttpDevice : MqttDevice;
      devices.push(new Kind({ ...options, certificate }));
    }
    this.devices.push(...devices);
    return devices;
  }

  /** Each device gets at least one more write through. */
  private async writeUntilAcknowledged(devices: readonly CrashDevice[]): Promise<void> {
    await Promise.all(
      devices.map(async (device) => {
        const before = device.numbers.acknowledged;
        const writing = this.writeUntil(device, () => device.numbers.acknowledged > before);
        await waitFor(() => device.numbers.acknowledged > before, { what: `a write of ${device.name}`, deadlineMs });
        device.stop();
        await writing;
      }),
    );
  }

  private async writeUntil(device: CrashDevice, isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      await device.writeUntilCut();
      // A connector that has just come back may refuse for a moment.
      if (!isDone()) await sleep(50);
    }
  }

  private async judge(device: CrashDevice, faults: CrashFaults): Promise<void> {
    const { site } = this;
    const { name, numbers } = device;
    const hasAll = () => missing(numbers.acknowledged, site.ledger.of(name).writesOf).length === 0;
    await waitFor(hasAll, { what: `the events of ${name}`, deadlineMs: 20_000 }).catch(() => undefined);
    const { events, writesOf } = site.ledger.of(name);
    const timeline = await site.timelineOf(name);
    const told = writesIn(timeline);
    faults.lostOnMqtt.push(...missing(numbers.acknowledged, writesOf).map((number) => `${name} ${number}`));
    faults.lostInTimeline.push(...missing(numbers.acknowledged, told).map((number) => `${name} ${number}`));
    if (!isProvisionedOnceAndFirst(events)) faults.provisioned.push(`${name} on MQTT`);
    if (!isProvisionedOnceAndFirst(timeline.toReversed())) faults.provisioned.push(`${name} in its timeline`);
    for (const [number, count] of told)
      if (count > numbers.attemptsAt(number)) faults.twice.push(`${name} ${number}: ${count}`);
    if (new Set(timeline.map(({ id }) => id)).size < timeline.length) faults.twice.push(`${name}: an id`);
  }
}

function missing(acknowledged: number, writes: ReadonlyMap<number, number>): number[] {
  return Array.from({ length: acknowledged }, (_, index) => index + 1).filter((number) => !writes.has(number));
}

function isProvisionedOnceAndFirst(events: readonly DeviceEvent[]): boolean {
  return events[0]?.type === 'provisioned' && events.filter(({ type }) => type === 'provisioned').length === 1;
}
