import type { CoapResponse } from '@sallyport/coap-wire';
import { ocfDeviceId, type ResourceHref, type ResourceLink } from '@sallyport/protocol';
import type { DeviceSession } from '../sessions/device-session.js';
import { CommandRunner } from './commands/command-runner.js';
import type { Commands } from './commands/commands.js';
import type { DeviceFaults } from './device-faults.js';
import type { LinkDirectory } from './links/link-directory.js';
import type { DirectoryChange } from './links/resource-directory.js';
import type { ResourceMetrics } from './resource-metrics.js';
import { jsonOf } from './values/content.js';
import { DeviceObservation } from './values/device-observation.js';
import type { KeptValues } from './values/kept-values.js';
import { Reports } from './values/reports.js';
import type { TwinSync } from './values/twin-sync.js';

/** What the resources of a signed-in device are made of. */
export interface ResourceContext {
  readonly links: LinkDirectory;
  readonly commands: Commands;
  readonly values: KeptValues;
  readonly sync: TwinSync;
  /** See `KeptOfDevice.enter`. */
  readonly enter: (session: DeviceSession) => Promise<void>;
  readonly metrics: ResourceMetrics;
  readonly faults: DeviceFaults;
  /** How long a device may take for an answer. */
  readonly deadlineMs: () => number;
  /** A device that cannot be observed as a batch is disconnected. */
  readonly requiresBatch: () => boolean;
}

/** The resources of one device while it is signed in: they are observed, and get the commands that wait for them. */
export class SignedInResources {
  readonly runner: CommandRunner;
  private readonly observation: DeviceObservation;
  private readonly reports: Reports;
  private hasBegun = false;

  constructor(
    private readonly session: DeviceSession,
    private readonly context: ResourceContext,
  ) {
    const deadlineMs = context.deadlineMs();
    this.reports = this.openReports();
    this.observation = this.openObservation(deadlineMs);
    this.runner = new CommandRunner({
      session,
      commands: context.commands,
      deadlineMs,
      onGone: (href) => void this.lose((link) => link.href === href),
      onRetrieved: (href, response) => void this.keep(href, response),
      onOutcome: (kind, outcome) => context.metrics.countCommand(kind, outcome),
      onFault: (error) => this.warn(error, 'commands of a device could not be read, will try again'),
    });
  }

  /** What is kept of a former owner goes first: its commands are not for this session. */
  async begin(): Promise<void> {
    const { session, context } = this;
    try {
      await context.enter(session);
    } catch (error) {
      this.warn(error, 'what is kept of a device could not be read, its connection ends');
      session.endpoint.abort('the store does not answer: connect again');
      return;
    }
    this.hasBegun = true;
    this.wake();
    void this.observation.begin();
  }

  /** Commands may wait for the device. */
  wake(): void {
    if (this.hasBegun) this.runner.wake();
  }

  /** The device has published resources, or taken some back. Commands may wait for those. */
  changed({ published, unpublished }: DirectoryChange): void {
    if (unpublished !== undefined) void this.observation.unpublished(unpublished);
    if (published === undefined) return;
    void this.observation.published();
    this.wake();
  }

  private openReports(): Reports {
    const { device, remoteAddress, endpoint } = this.session;
    return new Reports({
      values: this.context.values,
      published: () => this.context.links.linksOf(device),
      onReport: () => this.context.metrics.countValue(),
      sender: { deviceId: ocfDeviceId(device), remoteAddress },
      onRefused: (problem) => this.warn(problem, 'values of a device are not kept'),
      // When it connects anew, it tells everything again.
      onFault: (error) => {
        this.warn(error, 'values of a device could not be kept, its connection ends');
        endpoint.abort('the values could not be kept: connect again');
      },
    });
  }

  private openObservation(deadlineMs: number): DeviceObservation {
    const { session, context } = this;
    return new DeviceObservation({
      session,
      reports: this.reports,
      deadlineMs,
      requiresBatch: context.requiresBatch(),
      published: () => context.links.linksOf(session.device),
      onGone: (isGone) => this.lose(isGone),
      onInSync: () => context.sync.reached(session),
      onFault: (error, href) => this.warn(error, 'resource of a device could not be read', href),
    });
  }

  private async lose(isGone: (link: ResourceLink) => boolean): Promise<void> {
    try {
      const unpublished = await this.context.links.unpublish(this.session.device, isGone);
      if (unpublished.length > 0) void this.observation.unpublished(unpublished);
    } catch (error) {
      this.warn(error, 'resource that a device has no more could not be removed');
    }
  }

  /** What a command brought, of a resource that the device has published. */
  private async keep(href: ResourceHref, { code, contentFormat, payload }: CoapResponse): Promise<void> {
    if (code !== '2.05' || payload === undefined) return;
    try {
      if ((await this.context.links.find(this.session.device, href)) === undefined) return;
      const content = jsonOf({ contentFormat, payload });
      if (content !== undefined) this.reports.report(href, content);
    } catch (error) {
      this.warn(error, 'resource of a device could not be read', href);
    }
  }

  private warn(error: unknown, what: string, href?: string): void {
    this.context.faults.note(this.session, { error, what, href });
  }
}
