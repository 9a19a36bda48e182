import { join } from 'node:path';
import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { writeBuiltInRules } from '@sallyport/bridge-rules';
import { cloudConnections } from '@sallyport/cloud';
import { SerialQueue } from '@sallyport/concurrency';
import type { Settings } from '@sallyport/config';
import {
  type BridgeChange,
  type BridgeDescription,
  type BridgeReloadRequest,
  type BridgeReloadResponse,
  Problem,
} from '@sallyport/protocol';
import { Log, MqttSessions, reasonOf, ServiceContext, type SettingsPreview } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import type { BridgePlan } from '../bridging/bridge-plan.js';
import { bridgeTopics } from '../bridging/bridge-topics.js';
import { planBridge } from '../bridging/plan-bridge.js';
import { planChanges } from '../bridging/plan-changes.js';
import { Planes } from '../bridging/planes.js';
import { type BridgeMakings, ConnectedBridge } from './connected-bridge.js';

/** A connection that cannot be bridged as settings or rules are. */
interface FaultyBridge {
  readonly fault: Problem;
  readonly since: Date;
}

/** What the settings ask for. */
interface WantedBridges {
  readonly makings: ReadonlyMap<string, BridgeMakings>;
  readonly faults: ReadonlyMap<string, Problem>;
}

/** One bridge for each cloud that this device is connected to. Settings and rules are read at the start and at a reload. */
@Injectable()
export class Bridges implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly running = new Map<string, ConnectedBridge>();
  private faulty: ReadonlyMap<string, FaultyBridge> = new Map();
  // In order: settings that were read earlier must not be applied later.
  private readonly reloads = new SerialQueue();

  constructor(
    private readonly context: ServiceContext,
    private readonly sessions: MqttSessions,
    private readonly store: Store,
    private readonly log: Log,
    private readonly planes: Planes,
  ) {}

  /** A cloud with wrong settings does not keep the others from being bridged. It is in the log, and in `describe`. */
  async onApplicationBootstrap(): Promise<void> {
    const wanted = await this.wanted(this.context.settings);
    await this.apply(wanted, this.changesTo(wanted));
    for (const [cloud, { message }] of wanted.faults)
      this.log.error({ cloud, reason: message }, 'a cloud cannot be bridged');
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.reloads.run(async () => {
      await Promise.all([...this.running.values()].map((bridge) => bridge.stop()));
      this.running.clear();
      await this.planes.close();
    });
  }

  /**
   * Puts in force what settings and rules say now. What has not changed is not disturbed.
   *
   * @throws Problem `config-invalid`: those it names are as they were. The others are reloaded, unless it is a dry run.
   */
  async reload(request: BridgeReloadRequest): Promise<BridgeReloadResponse> {
    const answer = await this.reloads.run(() => this.putInForce(request));
    // Whoever asked for the change may publish next.
    if (answer.isApplied) await Promise.all(answer.changes.map(({ name }) => this.running.get(name)?.subscribed()));
    return answer;
  }

  private async putInForce({ dryRun = false }: BridgeReloadRequest): Promise<BridgeReloadResponse> {
    const { settings, outdated } = await (dryRun ? this.context.previewSettings() : this.readSettings());
    const wanted = await this.wanted(settings);
    const changes = this.changesTo(wanted);
    if (!dryRun) await this.apply(wanted, changes);
    const [fault] = wanted.faults.values();
    if (fault !== undefined) throw wanted.faults.size === 1 ? fault : together([...wanted.faults.values()]);
    const restartNeededFor = outdated();
    return { isApplied: !dryRun, changes, ...(restartNeededFor.length > 0 ? { restartNeededFor } : {}) };
  }

  private async readSettings(): Promise<SettingsPreview> {
    return { settings: await this.context.reloadSettings(), outdated: () => this.context.outdatedSettings };
  }

  async describe(): Promise<BridgeDescription[]> {
    const running = await Promise.all([...this.running.values()].map((bridge) => bridge.describe()));
    const faulty = [...this.faulty].filter(([name]) => !this.running.has(name)).map(describeFaulty);
    return [...running, ...faulty].toSorted((one, other) => (one.name < other.name ? -1 : 1));
  }

  /** Those that have settings, by the name of their connection. */
  get connected(): ReadonlyMap<string, ConnectedBridge> {
    return this.running;
  }

  private async wanted(settings: Settings): Promise<WantedBridges> {
    const makings = new Map<string, BridgeMakings>();
    const faults = new Map<string, Problem>();
    for (const name of cloudConnections(settings)) {
      try {
        const planned = await planBridge(settings, name);
        requireOwnPlaces(planned.plan, makings);
        const own = settings.ofProfile(planned.connection.profile);
        makings.set(name, { ...planned, settings: own, topics: bridgeTopics(own, planned.connection.topicPrefix) });
      } catch (error) {
        faults.set(name, error instanceof Problem ? error : unusable(name, error));
      }
    }
    return { makings, faults };
  }

  /** A connection with a fault goes on as it was. */
  private changesTo({ makings, faults }: WantedBridges): BridgeChange[] {
    const before = new Map([...this.running].map(([name, { plan }]) => [name, plan]));
    const after = new Map([...makings].map(([name, { plan }]) => [name, plan]));
    for (const name of faults.keys()) {
      const plan = before.get(name);
      if (plan !== undefined) after.set(name, plan);
    }
    return planChanges(before, after);
  }

  private async apply({ makings, faults }: WantedBridges, changes: readonly BridgeChange[]): Promise<void> {
    const now = this.context.clock.now();
    this.faulty = new Map(
      [...faults].map(([name, fault]) => [name, { fault, since: this.faulty.get(name)?.since ?? now }]),
    );
    for (const { change, name } of changes) {
      const wanted = makings.get(name);
      if (change === 'rules' && wanted !== undefined) await this.running.get(name)?.replaceRules(wanted);
      else await this.replace(name, wanted);
    }
  }

  /** Stops the bridge of this name, if there is one, and starts the one that is wanted. */
  private async replace(name: string, wanted: BridgeMakings | undefined): Promise<void> {
    await this.running.get(name)?.stop();
    this.running.delete(name);
    if (wanted === undefined) return;
    await this.offerRules(wanted);
    const { planes, sessions, store, log } = this;
    const surroundings = { planes, sessions, store, log, clock: this.context.clock };
    this.running.set(name, await ConnectedBridge.start(surroundings, wanted));
  }

  /** Shows the built-in rules to those who want to change them. They are in force without their files too. */
  private async offerRules({ connection: { kind, directory, name } }: BridgeMakings): Promise<void> {
    if (kind === 'custom') return;
    await writeBuiltInRules(join(directory, 'bridge'), kind).catch((error: unknown) =>
      this.log.warn(
        { error, cloud: name },
        'the files of the built-in rules cannot be written, the rules are in force',
      ),
    );
  }
}

/** Two bridges in one place would end each other's session again and again. */
function requireOwnPlaces(plan: BridgePlan, others: ReadonlyMap<string, BridgeMakings>): void {
  for (const { plan: other } of others.values()) {
    const isLocalShared = other.service === plan.service;
    const { host, port } = plan.cloud.mqtt;
    const isRemoteShared =
      other.cloud.deviceId === plan.cloud.deviceId && other.cloud.mqtt.host === host && other.cloud.mqtt.port === port;
    if (isLocalShared)
      throw new Problem(
        'config-invalid',
        `${plan.name} and ${other.name} have the same topic prefix "${plan.cloud.topicPrefix}". Give one of them another: bridge.topic_prefix.`,
      );
    if (isRemoteShared)
      throw new Problem(
        'config-invalid',
        `${plan.name} and ${other.name} connect to ${host}:${port} as the same device "${plan.cloud.deviceId}". Disconnect one of them.`,
      );
  }
}

/** One cloud whose files cannot be read must not keep the others, or a whole gateway, from working. */
function unusable(name: string, cause: unknown): Problem {
  return new Problem('config-invalid', `${name} cannot be bridged: ${reasonOf(cause)}.`, { cause });
}

function together(faults: readonly Problem[]): Problem {
  const cause = new AggregateError(faults, 'several clouds cannot be bridged');
  return new Problem('config-invalid', faults.map(({ message }) => message).join('\n'), { cause });
}

function describeFaulty([name, { fault, since }]: [string, FaultyBridge]): BridgeDescription {
  return {
    name,
    service: '',
    state: 'faulty',
    since: since.toISOString(),
    fault: fault.message,
    local: { isConnected: false },
    remote: { isConnected: false },
    oldestUnackedMs: 0,
    inFlight: { outbound: 0, inbound: 0 },
    rules: [],
  };
}
