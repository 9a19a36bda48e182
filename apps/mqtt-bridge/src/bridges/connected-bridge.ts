import type { CloudConnection } from '@sallyport/cloud';
import { pause, SerialQueue } from '@sallyport/concurrency';
import type { Settings } from '@sallyport/config';
import { FileWatch } from '@sallyport/files';
import type { BridgeDescription, BridgeState as BridgeStatus } from '@sallyport/protocol';
import type { Clock, Log, MqttSessions } from '@sallyport/runtime';
import type { Store } from '@sallyport/store';
import type { BridgePlan } from '../bridging/bridge-plan.js';
import type { BridgeTopics } from '../bridging/bridge-topics.js';
import type { Planes, RunningPlane } from '../bridging/planes.js';
import type { BridgeFigures, BridgeNotice, BridgeState, SideName } from '../plane/bridge-types.js';
import { describeBridge, type HalfHistory, noFigures } from './bridge-description.js';
import { BridgeHealth } from './bridge-health.js';
import { BridgeLease } from './bridge-lease.js';

/** What the bridges of a service share. */
export interface BridgeSurroundings {
  readonly planes: Planes;
  readonly sessions: MqttSessions;
  readonly store: Store;
  readonly log: Log;
  readonly clock: Clock;
}

/** What makes one bridge. */
export interface BridgeMakings {
  readonly plan: BridgePlan;
  readonly connection: CloudConnection;
  readonly topics: BridgeTopics;
  readonly settings: Settings;
}

const confirmationMs = 5_000;
// The thread of the plane takes a second to start.
const subscribedMs = 5_000;

const stopped: BridgeState = {
  status: 'down',
  isSubscribed: false,
  local: { status: 'stopped' },
  remote: { status: 'stopped' },
};

/**
 * The bridge to one cloud, from its start until it is stopped: its data plane, its health, the lease that keeps other
 * replicas from bridging too, and the renewal of its connection when its certificate is renewed.
 */
export class ConnectedBridge {
  private readonly lease: BridgeLease | undefined;
  /** In order: what starts and stops the plane. */
  private readonly turns = new SerialQueue();
  private readonly log: Log;
  private makings: BridgeMakings;
  private plane: RunningPlane | undefined;
  /** Only the replica that bridges speaks of the bridge. */
  private health: BridgeHealth | undefined;
  private watch: FileWatch | undefined;
  private state: BridgeState = stopped;
  private since: Date;
  private readonly halves: Record<SideName, HalfHistory> = { local: {}, remote: {} };
  private lastFigures: BridgeFigures = noFigures;
  private isStopped = false;
  private readonly firstSubscribed = Promise.withResolvers<void>();

  private constructor(
    private readonly surroundings: BridgeSurroundings,
    makings: BridgeMakings,
  ) {
    const { sessions, store, log, clock } = surroundings;
    const { topics, plan } = makings;
    this.makings = makings;
    this.since = clock.now();
    this.log = log.child({ cloud: plan.name });
    // With the broker in this process there is only one replica.
    this.lease = sessions.mayHaveReplicas
      ? new BridgeLease({
          store,
          name: topics.service,
          holder: sessions.replica,
          onHeld: () => this.turns.run(() => this.startBridging()),
          onLost: () => this.turns.run(() => this.stopBridging()),
          onFault: (error) => this.noteFault(error),
        })
      : undefined;
  }

  /** Starts bridging, or waits for another replica to end. Connecting goes on in the background. */
  static async start(surroundings: BridgeSurroundings, makings: BridgeMakings): Promise<ConnectedBridge> {
    const bridge = new ConnectedBridge(surroundings, makings);
    await bridge.watchIdentity();
    if (bridge.lease === undefined) await bridge.turns.run(() => bridge.startBridging());
    else bridge.lease.start();
    return bridge;
  }

  get plan(): BridgePlan {
    return this.makings.plan;
  }

  /**
   * Waits until the local broker keeps messages for this bridge, whether the cloud is there or not. It does not wait for
   * long: a local broker that is away loses messages anyway.
   */
  async subscribed(): Promise<void> {
    await Promise.race([this.untilSubscribed(), pause(subscribedMs, { ref: false })]);
  }

  /** Takes other rules, from one message to the next. */
  replaceRules(makings: BridgeMakings): Promise<void> {
    return this.turns.run(async () => {
      this.makings = makings;
      // They are in force at once. A broker may take long to confirm the subscriptions, or go meanwhile.
      const confirmed = this.plane?.replaceRules(makings.plan.rules);
      await Promise.race([confirmed, pause(confirmationMs, { ref: false })]);
    });
  }

  /** Ends the bridge. What is not acknowledged stays with the brokers. Safe to call twice. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.watch?.stop();
    await this.lease?.stop();
    await this.turns.run(() => this.stopBridging());
  }

  async describe(): Promise<BridgeDescription> {
    const { plan, state, since, halves } = this;
    const figures = await this.figures();
    return describeBridge({ plan, status: this.status, since, state, halves, figures });
  }

  /** Those of the last answer while the thread of the plane does not answer. */
  async figures(): Promise<BridgeFigures> {
    const { plane } = this;
    if (plane !== undefined) this.lastFigures = await plane.figures().catch(() => this.lastFigures);
    return this.lastFigures;
  }

  get status(): BridgeStatus {
    if (this.plane === undefined && this.lease?.isHeld === false) return 'standby';
    return this.state.status;
  }

  private async untilSubscribed(): Promise<void> {
    await this.lease?.hasLooked;
    if (this.status !== 'standby') await this.firstSubscribed.promise;
  }

  private async startBridging(): Promise<void> {
    if (this.isStopped || this.health !== undefined) return;
    const { topics, settings } = this.makings;
    const { sessions } = this.surroundings;
    this.health = new BridgeHealth({ topics, sessions, settings, onFault: (error) => this.noteFault(error) });
    await this.startPlane();
  }

  private async stopBridging(): Promise<void> {
    const { health } = this;
    await this.stopPlane().finally(() => health?.close());
    this.health = undefined;
  }

  private async startPlane(): Promise<void> {
    const { planes, sessions } = this.surroundings;
    const access = {
      connectLocal: () => sessions.connectionOnce(),
      credentials: () => this.makings.connection.credentials(),
    };
    const events = {
      onState: (state: BridgeState) => this.note(state),
      onNotice: (notice: BridgeNotice) => this.log.warn({ ...notice }, noticeTexts[notice.kind]),
    };
    this.since = this.surroundings.clock.now();
    this.plane = await planes.start(this.plan, access, events);
  }

  private async stopPlane(): Promise<void> {
    const { plane } = this;
    this.plane = undefined;
    try {
      await plane?.stop();
    } finally {
      this.note(stopped);
    }
  }

  private async watchIdentity(): Promise<void> {
    const { identity } = this.plan.cloud;
    if (identity === undefined) return;
    this.watch = await FileWatch.start({
      paths: [identity.certPath, identity.keyPath],
      onChange: () => void this.renew(),
    });
  }

  /** Each connection reads the files anew. So a new connection is enough. */
  private renew(): Promise<void> {
    return this.turns.run(async () => {
      if (this.plane === undefined) return;
      this.log.info({}, 'the certificate for the cloud has changed, connecting with it');
      await this.stopPlane();
      await this.startPlane();
    });
  }

  private noteFault(error: unknown): void {
    this.log.warn({ error }, 'the bridge could not do all it should, will try again');
  }

  private note(state: BridgeState): void {
    const before = this.state;
    this.state = state;
    if (state.isSubscribed) this.firstSubscribed.resolve();
    const now = this.surroundings.clock.now();
    for (const side of ['local', 'remote'] as const) this.noteHalf(side, before, now);
    this.health?.show(state.status === 'up');
    if (before.status === state.status) return;
    this.since = now;
    if (state.status === 'up') this.log.info({}, 'the bridge to the cloud is up');
    else if (state.remote.status === 'stopped') this.log.info({}, 'the bridge to the cloud has stopped');
    else this.log.warn({ local: state.local.failure, remote: state.remote.failure }, 'the bridge to the cloud is down');
  }

  private noteHalf(side: SideName, before: BridgeState, now: Date): void {
    const [was, is] = [before[side], this.state[side]];
    const isConnected = is.status === 'connected';
    if ((was.status === 'connected') !== isConnected) this.halves[side] = { since: now };
    // The first fault of an outage says why it began. The others are in `status`.
    if (is.failure === undefined || is.failure === was.failure || this.state.status === 'up') return;
    this.log.warn({ side, reason: is.failure }, 'a half of the bridge is not connected, will try again');
  }
}

const noticeTexts: Readonly<Record<BridgeNotice['kind'], string>> = {
  'message-dropped': 'a message was not forwarded',
  'subscription-refused': 'a broker refuses a subscription of the bridge',
  'subscription-unconfirmed': 'a broker does not confirm the subscriptions of the bridge, going on without',
  'greeting-refused': 'the cloud refuses what the bridge says of itself',
  'destination-stalled': 'a broker does not acknowledge messages, connecting again',
  'delivery-not-promised': 'a broker keeps no session for the bridge, so messages can be lost',
};
