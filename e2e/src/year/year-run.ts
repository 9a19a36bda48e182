import { z } from 'zod';
import { protocols, type WakeReport } from './fleet/messages.js';
import type { Fleet } from './fleet.js';
import { dayMs, hourMs } from './site-clock.js';
import type { YearEvent, YearPlan } from './year-plan.js';
import type { YearSite } from './year-site.js';

/** What went wrong. Nothing of it may. */
export interface YearFaults {
  /** A device that is not revoked did not get through, or did not get its new certificate. */
  readonly refused: string[];
  /** A revoked device got through. */
  readonly letIn: string[];
  /** A certificate ended although its device was awake. */
  readonly ended: string[];
  /** The doctor asked for something else than a new root. */
  readonly asked: string[];
}

export interface YearReport {
  readonly days: number;
  readonly devices: number;
  readonly contacts: number;
  readonly renewals: number;
  /** Contacts of revoked devices. */
  readonly turnedAway: number;
  readonly rootRotations: number;
  readonly authorities: string;
  readonly faults: YearFaults;
}

const doctorAnswer = z.object({
  checks: z.array(
    z.object({ findings: z.array(z.object({ severity: z.string(), what: z.string(), fix: z.string() })) }),
  ),
});
/** In real time, after a start or a correction of the clock. */
const healingMs = 60_000;
const settleMs = 200;
const progressHours = 50 * 24;
const sleepersOneIn = 20;
const sleeperDays = 45;

/** Lets the time pass at a site with all its devices, as a plan says. */
export class YearRun {
  private readonly names: string[] = [];
  private readonly revoked = new Set<string>();
  private readonly faults: YearFaults = { refused: [], letIn: [], ended: [], asked: [] };
  private readonly events: YearEvent[];
  private hours = 0;
  private contacts = 0;
  private renewals = 0;
  private turnedAway = 0;
  private rootRotations = 0;
  private wakeMs = 0;

  constructor(
    private readonly site: YearSite,
    private readonly fleet: Fleet,
    private readonly plan: YearPlan,
    private readonly say: (line: string) => void = () => undefined,
  ) {
    this.events = [...plan.events];
  }

  async run(): Promise<YearReport> {
    await this.enrolAll();
    while (this.day < this.plan.days) await this.step();
    return {
      days: this.plan.days,
      devices: this.names.length,
      contacts: this.contacts,
      renewals: this.renewals,
      turnedAway: this.turnedAway,
      rootRotations: this.rootRotations,
      authorities: await this.site.mustRun('ca', 'show'),
      faults: this.faults,
    };
  }

  private get day(): number {
    return this.hours / 24;
  }

  private async enrolAll(): Promise<void> {
    for (const protocol of protocols) {
      const { devicesOfEachProtocol, cliDevices } = this.plan;
      const length = protocol === 'cli' ? cliDevices : devicesOfEachProtocol;
      const indexes = Array.from({ length }, (_, index) => index);
      const names = indexes.map((index) => nameOf(protocol, index));
      await this.fleet.add(names, protocol);
      this.names.push(...names);
    }
    this.judge(await this.fleet.wake(this.names));
  }

  private async step(): Promise<void> {
    const { stepHours, doctorEveryDays } = this.plan;
    await this.pass(stepHours);
    const event = this.events[0];
    if (event !== undefined && event.day <= this.day) {
      this.events.shift();
      this.say(`day ${this.day}: ${event.kind}`);
      await this.suffer(event);
    }
    const awake = this.names.filter((_, index) => this.isAwake(index));
    const began = performance.now();
    this.judge(await this.fleet.wake(awake));
    this.wakeMs += performance.now() - began;
    if (this.hours % progressHours < stepHours)
      this.say(`day ${this.day}: ${this.contacts} contacts, ${Math.round(this.wakeMs)} ms`);
    if (this.hours % (doctorEveryDays * 24) < stepHours) await this.askDoctor();
  }

  private async pass(hours: number): Promise<void> {
    this.hours += hours;
    this.site.clock.move(hours * hourMs);
    this.fleet.clock.move(hours * hourMs);
    await pause(settleMs);
  }

  /** One in ten at each step, one in twenty every 45 days, those with the CLI as the plan says, the others once a day. */
  private isAwake(index: number): boolean {
    const { stepHours } = this.plan;
    return (this.hours + index * stepHours) % this.wakesEveryHours(index) < stepHours;
  }

  private wakesEveryHours(index: number): number {
    const name = this.names[index] ?? '';
    if (index % sleepersOneIn === 7) return sleeperDays * 24;
    if (name.startsWith('cli')) return this.plan.cliEveryDays * 24;
    return index % 10 === 0 && !name.startsWith('uuid') ? this.plan.stepHours : 24;
  }

  private async suffer(event: YearEvent): Promise<void> {
    switch (event.kind) {
      case 'off':
        await this.site.stop();
        await this.pass(event.days * 24);
        await this.site.resume();
        return this.heal();
      case 'clock-ahead-for-a-minute':
        return this.withClockOff(event.days * dayMs);
      case 'clock-behind-at-boot':
        await this.site.stop();
        return this.withClockOff(-event.days * dayMs, () => this.site.boot());
      case 'revoke':
        return this.revoke(event.devices);
    }
  }

  /** Only the clock of the site is wrong, and then right again. */
  private async withClockOff(offMs: number, act?: () => Promise<void>): Promise<void> {
    this.site.clock.move(offMs);
    await act?.();
    await pause(3_000);
    this.site.clock.move(-offMs);
    await this.heal();
  }

  /** Within a minute everybody gets through. Who did is not asked again: a device with the CLI costs a second. */
  private async heal(): Promise<void> {
    const began = performance.now();
    const elapsedMs = () => Math.round(performance.now() - began);
    let waiting = this.names.filter((name) => !this.revoked.has(name));
    while (waiting.length > 0) {
      await pause(500);
      const reports = await this.fleet.wake(waiting);
      const isOver = elapsedMs() >= healingMs;
      this.judge(reports.filter(({ refused }) => refused === undefined || isOver));
      waiting = isOver ? [] : reports.filter(({ refused }) => refused !== undefined).map(({ name }) => name);
      if (isOver) this.say(`day ${this.day}: not healed`);
    }
    this.say(`day ${this.day}: healing ended after ${elapsedMs()} ms`);
  }

  private async revoke(count: number): Promise<void> {
    const stride = Math.max(1, Math.floor(this.names.length / count));
    const good = this.names.filter((name) => !this.revoked.has(name));
    for (let each = 0; each < count; each += 1) {
      const name = good[(each * stride + 1) % good.length];
      if (name === undefined) continue;
      await this.site.mustRun('device', 'revoke', name);
      this.revoked.add(name);
    }
  }

  private judge(reports: readonly WakeReport[]): void {
    for (const report of reports) {
      const { name, refused, renewal, hasEnded, notAfter } = report;
      this.contacts += 1;
      const at = `day ${this.day} ${name}`;
      if (this.revoked.has(name)) {
        if (refused === undefined) this.faults.letIn.push(`${at} sent its data`);
        else this.turnedAway += 1;
        if (renewal === 'done' && !name.startsWith('connector')) this.faults.letIn.push(`${at} renewed`);
        continue;
      }
      if (renewal === 'done') this.renewals += 1;
      else if (renewal !== undefined) this.note(this.faults.refused, `${at} renewal: ${renewal}`);
      if (hasEnded) this.note(this.faults.ended, `${at} ended at ${notAfter}`);
      if (refused !== undefined) this.note(this.faults.refused, `${at}: ${refused}`);
    }
  }

  private note(list: string[], fault: string): void {
    list.push(fault);
    if (list.length < 40) this.say(fault);
  }

  private async askDoctor(): Promise<void> {
    const { stdout, stderr } = await this.site.sallyport('doctor', '--json');
    if (stdout === '') throw new Error(`The doctor said nothing: ${stderr}`);
    const findings = doctorAnswer.parse(JSON.parse(stdout)).checks.flatMap(({ findings }) => findings);
    const asked = findings.filter(({ severity }) => severity !== 'note');
    if (asked.some(({ fix }) => fix.includes('ca rotate --purpose root'))) {
      this.rootRotations += 1;
      await this.site.mustRun('ca', 'rotate', '--purpose', 'root');
    } else for (const { what, fix } of asked) this.note(this.faults.asked, `day ${this.day}: ${what} -> ${fix}`);
  }
}

function nameOf(protocol: string, index: number): string {
  if (protocol === 'coap') return `uuid:00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
  return `${protocol}-${index}`;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
