import { CoapError, type CoapResponse, type Observation, type OutgoingRequest } from '@sallyport/coap-wire';
import { SerialQueue } from '@sallyport/concurrency';
import type { ResourceHref, ResourceLink } from '@sallyport/protocol';
import type { DeviceSession } from '../../sessions/device-session.js';
import { jsonOf, jsonOfValue } from './content.js';
import {
  batchOf,
  gatewayStatus,
  isObservable,
  resourceBatch,
  resourceList,
  resourceRequest,
  type ToldResources,
  toldResourcesOf,
} from './device-resources.js';
import type { Reports } from './reports.js';

/** Relations of observation with one device. The other resources are read once. */
const mostObserved = 200;

export interface DeviceObservationOptions {
  readonly session: DeviceSession;
  readonly reports: Reports;
  readonly deadlineMs: number;
  /** A device that cannot be observed as a batch is disconnected. */
  readonly requiresBatch: boolean;
  readonly published: () => Promise<readonly ResourceLink[]>;
  /** The device says that it does not have these. */
  readonly onGone: (isGone: (link: ResourceLink) => boolean) => Promise<void>;
  readonly onInSync: () => Promise<void>;
  /** Something of the device could not be read. The observation goes on without it. */
  readonly onFault: (error: unknown, href: string) => void;
}

type Reader = (response: CoapResponse) => void;

/**
 * Observes the published resources of a device on its own connection (RFC 7641): all together as a batch where the device
 * can do that, else one by one. It lasts as long as the session.
 */
export class DeviceObservation {
  private readonly observations = new Map<ResourceHref, Observation>();
  private readonly hrefs = new Set<ResourceHref>();
  private batch: Observation | undefined;
  private isStarted = false;
  /** Resources that were taken back, until their observation has ended. They may be published again by then. */
  private readonly withdrawn = new Set<ResourceHref>();
  /** A look at what is published waits for its turn. A device may publish faster than it answers. */
  private isCatchUpDue = false;
  // One after the other: a resource that is published twice is observed once.
  private readonly steps = new SerialQueue();

  constructor(private readonly options: DeviceObservationOptions) {
    options.session.signal.addEventListener('abort', () => this.end(), { once: true });
  }

  /**
   * Begins with what the device has published before. A device that has published nothing is not asked: it may be one that
   * only sends. Never rejects.
   */
  begin(): Promise<void> {
    return this.step(async () => {
      if ((await this.options.published()).length === 0 && !this.options.requiresBatch) return;
      const told = await this.readResources();
      if (told !== undefined) await this.options.onGone(({ href }) => !told.hrefs.has(href));
      await this.start(await this.options.published(), told);
    });
  }

  /** The device has published something. Never rejects. */
  published(): Promise<void> {
    return this.catchUpLater();
  }

  /** The device has taken these back. Never rejects. */
  unpublished(links: readonly ResourceLink[]): Promise<void> {
    for (const { href } of links) if (this.hrefs.has(href)) this.withdrawn.add(href);
    return this.catchUpLater();
  }

  private async catchUpLater(): Promise<void> {
    if (this.isCatchUpDue) return;
    this.isCatchUpDue = true;
    await this.step(() => {
      this.isCatchUpDue = false;
      return this.catchUp();
    });
  }

  private async catchUp(): Promise<void> {
    const links = await this.options.published();
    this.drop([...this.withdrawn, ...this.stale(links)]);
    this.withdrawn.clear();
    if (!this.isStarted) return links.length === 0 ? undefined : this.start(links, await this.readResources());
    const added = this.noted(links);
    // The batch told their values before anybody knew that these were published.
    if (this.batch !== undefined && added.length > 0) await this.readOnce(resourceBatch, this.batchReader);
    if (this.batch === undefined) for (const link of added) await this.follow(link);
  }

  private async step(work: () => Promise<void>): Promise<void> {
    const { signal } = this.options.session;
    try {
      await this.steps.run(async () => {
        if (!signal.aborted) await work();
      });
    } catch (error) {
      this.fault(error, '/oic/res');
    }
  }

  private async start(links: readonly ResourceLink[], told: ToldResources | undefined): Promise<void> {
    this.isStarted = true;
    this.options.reports.tidy();
    const added = this.noted(links);
    await this.observeBatch(told);
    if (this.batch === undefined && this.options.requiresBatch) return this.disconnect();
    if (this.batch === undefined) for (const link of added) await this.follow(link);
    await this.options.reports.idle();
    await this.options.onInSync();
  }

  /** @returns the links that are new */
  private noted(links: readonly ResourceLink[]): readonly ResourceLink[] {
    const added = links.filter(({ href }) => href !== gatewayStatus && !this.hrefs.has(href));
    for (const { href } of added) this.hrefs.add(href);
    return added;
  }

  /** What was published for a time that is over. */
  private stale(links: readonly ResourceLink[]): readonly ResourceHref[] {
    const published = new Set(links.map(({ href }) => href));
    return [...this.hrefs].filter((href) => !published.has(href));
  }

  private async readResources(): Promise<ToldResources | undefined> {
    const { session, deadlineMs } = this.options;
    try {
      return toldResourcesOf(await session.endpoint.request(resourceList, { deadlineMs, signal: session.signal }));
    } catch (error) {
      this.fault(error, '/oic/res');
      return undefined;
    }
  }

  /** A device that did not tell its resources may still have a batch of them. */
  private async observeBatch(told: ToldResources | undefined): Promise<void> {
    if (told?.isBatchObservable === false) return;
    this.batch = await this.observe(resourceBatch, this.batchReader);
  }

  private readonly batchReader: Reader = ({ code, payload = Buffer.alloc(0) }) => {
    if (code !== '2.05' || payload.length === 0) return;
    for (const { href, representation } of batchOf(payload))
      if (this.hrefs.has(href)) this.options.reports.report(href, jsonOfValue(representation));
  };

  private async follow(link: ResourceLink): Promise<void> {
    const { href } = link;
    const [request, read] = [resourceRequest(href), this.readerOf(href)];
    if (!isObservable(link) || this.observations.size >= mostObserved) return this.readOnce(request, read);
    const observation = await this.observe(request, read);
    if (observation !== undefined) this.observations.set(href, observation);
  }

  private readerOf(href: ResourceHref): Reader {
    return ({ code, contentFormat, payload = Buffer.alloc(0) }) => {
      if (code === '4.04') return this.lose(href);
      // 2.03 without a body: as it was.
      if (code !== '2.05' || !this.hrefs.has(href)) return;
      const content = jsonOf({ contentFormat, payload });
      if (content !== undefined) this.options.reports.report(href, content);
    };
  }

  private async readOnce(request: OutgoingRequest, read: Reader): Promise<void> {
    const { session, deadlineMs } = this.options;
    try {
      read(await session.endpoint.request(request, { deadlineMs, signal: session.signal }));
    } catch (error) {
      this.fault(error, hrefOf(request));
    }
  }

  /** @returns undefined: the device does not notify; what it answered is still read */
  private async observe(request: OutgoingRequest, read: Reader): Promise<Observation | undefined> {
    const { session, deadlineMs } = this.options;
    const { signal } = session;
    const onNotification = (answer: CoapResponse): void => this.take(answer, request, read);
    try {
      const observation = await session.endpoint.observe(request, { deadlineMs, signal, onNotification });
      this.take(observation.first, request, read);
      return observation.first.observe === undefined ? undefined : observation;
    } catch (error) {
      this.fault(error, hrefOf(request));
      return undefined;
    }
  }

  private take(answer: CoapResponse, request: OutgoingRequest, read: Reader): void {
    try {
      read(answer);
    } catch (error) {
      this.fault(error, hrefOf(request));
    }
  }

  /** The device does not have the resource any more. */
  private lose(href: ResourceHref): void {
    void this.step(async () => {
      await this.options.onGone((link) => link.href === href);
      this.drop([href]);
    });
  }

  private drop(hrefs: readonly ResourceHref[]): void {
    if (hrefs.length > 0) this.options.reports.tidy();
    for (const href of hrefs) {
      this.hrefs.delete(href);
      const observation = this.observations.get(href);
      this.observations.delete(href);
      // Nobody waits for the answer to this: a device may be slow with it.
      void observation?.cancel();
    }
  }

  private disconnect(): void {
    this.fault(new CoapError('5.01', 'the device cannot be observed as a batch'), '/oic/res');
    void this.options.session.endpoint.release();
  }

  /** A session that has ended takes what is under way with it; that is no fault of the device. */
  private fault(error: unknown, href: string): void {
    if (!this.options.session.signal.aborted) this.options.onFault(error, href);
  }

  /** After a sign-out the connection goes on, and the device must not send to nobody. */
  private end(): void {
    for (const observation of [this.batch, ...this.observations.values()]) void observation?.cancel();
    this.observations.clear();
    this.batch = undefined;
  }
}

function hrefOf({ path }: OutgoingRequest): string {
  return `/${path.join('/')}`;
}
