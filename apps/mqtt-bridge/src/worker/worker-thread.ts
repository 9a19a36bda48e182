import { type Duplex, pipeline } from 'node:stream';
import { MessageChannel, Worker } from 'node:worker_threads';
import type { RuleSet } from '@sallyport/bridge-rules';
import { backOffMs } from '@sallyport/concurrency';
import type { BridgePlan } from '../bridging/bridge-plan.js';
import { type PlaneAccess, type PlaneEvents, Planes, type RunningPlane } from '../bridging/planes.js';
import type { BridgeFigures } from '../plane/bridge-types.js';
import { PortStream } from './port-stream.js';
import { type Answer, ThreadLink } from './thread-link.js';
import {
  figuresAnswer,
  type LocalAnswer,
  noAnswer,
  type PlaneQuestion,
  type ServiceQuestion,
  serviceQuestion,
} from './thread-questions.js';

/** A thread that fails again and again must not take the time of the processor. */
const restart = { firstMs: 1_000, longestMs: 60_000 };
/** A thread that has lived so long was in order: the next fault is the first one again. */
const goodAfterMs = 60_000;

/** Objects of the bridges; their buffers are not in it. When it is full, the thread ends and not the process. */
const limits = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 8 };

/** Longer than a bridge waits for its last acknowledgements. */
const stopDeadlineMs = 8_000;
const figuresDeadlineMs = 1_000;

export interface WorkerThreadOptions {
  /** The bundle of `worker/main.ts`. */
  readonly entry: URL;
  /** The thread has ended by itself; it is started again. */
  readonly onFault: (fault: Error) => void;
  /** Default: the back-off of the service, in milliseconds. */
  readonly restartAfterMs?: (failures: number) => number;
}

/** A data plane as this thread knows it. */
interface KnownPlane {
  readonly id: number;
  readonly plan: BridgePlan;
  readonly access: PlaneAccess;
  readonly events: PlaneEvents;
}

/** The thread while it lives. */
interface LiveThread {
  readonly worker: Worker;
  readonly link: ThreadLink;
  readonly startedMs: number;
}

/**
 * Runs data planes in a worker thread, which lives as long as there are any. When the thread fails, it is started again,
 * with all of them. They lose nothing: what was not acknowledged is still in the sessions at both brokers.
 */
export class WorkerThread extends Planes {
  restarts = 0;
  private readonly planes = new Map<number, KnownPlane>();
  private live: LiveThread | undefined;
  private timer: NodeJS.Timeout | undefined;
  private failures = 0;
  private lastId = 0;

  constructor(private readonly options: WorkerThreadOptions) {
    super();
  }

  async start(plan: BridgePlan, access: PlaneAccess, events: PlaneEvents): Promise<RunningPlane> {
    this.lastId += 1;
    const id = this.lastId;
    const plane: KnownPlane = { id, plan, access, events };
    this.planes.set(id, plane);
    // A thread takes a second to start, and nobody has to wait for it. Between a fault and the next attempt the plane waits
    // like the others.
    if (this.timer === undefined) void this.startPlane(this.thread(), plane);
    return {
      replaceRules: (rules) => this.replaceRules(id, rules),
      figures: () => this.figures(id),
      stop: () => this.stopPlane(id),
    };
  }

  async close(): Promise<void> {
    this.planes.clear();
    await this.end();
  }

  private async replaceRules(id: number, rules: RuleSet): Promise<void> {
    const plane = this.planes.get(id);
    if (plane === undefined) return;
    // A thread that is started again must not come back with the old ones.
    this.planes.set(id, { ...plane, plan: { ...plane.plan, rules } });
    await this.live?.link.ask({ kind: 'rules', plane: id, rules } satisfies PlaneQuestion, noAnswer);
  }

  private async figures(id: number): Promise<BridgeFigures> {
    if (this.live === undefined) throw new Error('The thread of the bridges starts again.');
    const question: PlaneQuestion = { kind: 'figures', plane: id };
    return this.live.link.ask(question, figuresAnswer, { deadlineMs: figuresDeadlineMs });
  }

  private async stopPlane(id: number): Promise<void> {
    const { live } = this;
    try {
      const question: PlaneQuestion = { kind: 'stop', plane: id };
      await live?.link.ask(question, noAnswer, { deadlineMs: stopDeadlineMs });
    } catch {
      // A plane that does not stop would go on under the client id of the next one. A thread that ends starts the others.
      await live?.worker.terminate();
    } finally {
      this.planes.delete(id);
      if (this.planes.size === 0) await this.end();
    }
  }

  private thread(): LiveThread {
    this.live ??= this.spawn();
    return this.live;
  }

  private spawn(): LiveThread {
    const worker = new Worker(this.options.entry, { resourceLimits: limits });
    const link = new ThreadLink(worker, (question) => this.answer(serviceQuestion.parse(question)));
    const live = { worker, link, startedMs: performance.now() };
    let fault = new Error('The thread of the bridges ended.');
    worker.on('error', (error) => {
      fault = error instanceof Error ? error : new Error(String(error));
    });
    worker.once('exit', () => this.hasEnded(live, fault));
    return live;
  }

  private hasEnded(live: LiveThread, fault: Error): void {
    live.link.close(fault);
    // It was told to end.
    if (this.live !== live) return;
    this.live = undefined;
    this.restarts += 1;
    this.failures = performance.now() - live.startedMs < goodAfterMs ? this.failures + 1 : 1;
    this.options.onFault(fault);
    for (const { events } of this.planes.values()) events.onState(lost(fault));
    const { restartAfterMs = (failures: number) => backOffMs(failures, restart) } = this.options;
    this.timer = setTimeout(() => this.startAgain(), restartAfterMs(this.failures));
  }

  private startAgain(): void {
    this.timer = undefined;
    const thread = this.thread();
    for (const plane of this.planes.values()) void this.startPlane(thread, plane);
  }

  /** If the thread ends meanwhile, the plane is started with the next one. */
  private async startPlane({ link }: LiveThread, { id, plan, events }: KnownPlane): Promise<void> {
    try {
      await link.ask({ kind: 'start', plane: id, plan } satisfies PlaneQuestion, noAnswer);
    } catch (error) {
      events.onState(lost(error instanceof Error ? error : new Error(String(error))));
    }
  }

  private async end(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { live } = this;
    this.live = undefined;
    await live?.worker.terminate();
  }

  private async answer(question: ServiceQuestion): Promise<Answer> {
    const plane = this.planes.get(question.plane);
    if (plane === undefined) throw new Error('The bridge was stopped.');
    switch (question.kind) {
      case 'connect-local':
        return connectLocal(plane.access);
      case 'credentials':
        return { value: await plane.access.credentials() };
      case 'state':
        plane.events.onState(question.state);
        return {};
      case 'notice':
        plane.events.onNotice(question.notice);
        return {};
      default:
        return question satisfies never;
    }
  }
}

function lost({ message }: Error) {
  const side = { status: 'waiting', failure: message } as const;
  return { status: 'down', isSubscribed: false, local: side, remote: side } as const;
}

/** Only plain data and ports can go to another thread. So the bytes of the broker in this process go over a port. */
async function connectLocal(access: PlaneAccess): Promise<Answer> {
  const once = await access.connectLocal();
  if (once.kind === 'network') return { value: { kind: 'once', once } satisfies LocalAnswer };
  const { port1, port2 } = new MessageChannel();
  join(once.stream, new PortStream(port1));
  return { value: { kind: 'port', port: port2 } satisfies LocalAnswer, transfer: [port2] };
}

/** Passes bytes both ways, until one of the two ends; then both do. */
function join(one: Duplex, other: Duplex): void {
  const end = () => {
    one.destroy();
    other.destroy();
  };
  pipeline(one, other, end);
  pipeline(other, one, end);
}
