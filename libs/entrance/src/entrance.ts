import { SerialQueue } from '@sallyport/concurrency';
import {
  type DeviceChange,
  type EntranceDescription,
  type EntranceGroup,
  type EntranceName,
  entranceName,
  type PeerKind,
  Problem,
  type RefusalReason,
  type SecurityLevel,
} from '@sallyport/protocol';
import type { ConnectedContext } from '@sallyport/runtime';
import {
  type LeafRule,
  type Limits,
  type ListenerHandler,
  type Peer,
  type RefusalEvent,
  SecureListener,
  type SecureListenerOptions,
} from '@sallyport/tls';
import type { AdmissionClient } from './admission-client.js';
import { type Address, EntranceListener, type Place } from './entrance-listener.js';
import { EntranceMetrics } from './entrance-metrics.js';
import { LevelGuard, type Objection } from './level-guard.js';
import { RefusalLog } from './refusal-log.js';
import { RefusalReports } from './refusal-reports.js';
import type { SecuritySource } from './security-source.js';

export interface EntranceOptions {
  /** What passes through, in words: `file transfer`. */
  readonly name: string;
  readonly source: SecuritySource;
  readonly handler: ListenerHandler;
  /** Kinds of certificate that may pass; all of them when absent. */
  readonly permittedKinds?: ReadonlySet<PeerKind>;
  /** What this service asks of a leaf certificate beyond the rules of every listener. */
  readonly leafRule?: LeafRule;
  /** For entrances of connectors: see `SecureListenerOptions.connectorOf`. */
  readonly connectorOf?: SecureListenerOptions['connectorOf'];
  /** Limits that differ from the defaults of `SecureListener`. */
  readonly limits?: Partial<Limits>;
  /** The entrance stays shut until its settings ask for client certificates. */
  readonly mutualOnly?: boolean | (() => boolean);
  /**
   * Judges what else the settings of the service say, for the level that is to come into force, whenever the entrance
   * is opened or reloaded. Returns what puts that in force, called once the listener is.
   *
   * @throws Problem `config-invalid`: nothing changes.
   */
  readonly takeOver?: (level: SecurityLevel) => (() => void) | Promise<() => void>;
}

/** How a change of an entrance came about. */
export interface ApplyOptions {
  /** An administrator has lowered the level on purpose, down to this one. */
  readonly lowerTo?: SecurityLevel | undefined;
}

// After SIGTERM, requests in progress have this long to end. What is still open then is cut.
const drainMs = 5_000;

// After an outage of the broker, the registry may reconnect later than we do. A lost event matters no longer than this.
const registryGraceMs = 60_000;

// The registry decides these refusals, and writes them into its audit log itself.
const recordedByRegistry: ReadonlySet<RefusalReason> = new Set([
  'certificate-revoked',
  'device-locked',
  'device-revoked',
  'device-retired',
  'name-conflict',
  'too-many-new-certificates',
  'token-not-accepted',
]);

/** One entrance of a service: its secure listener, kept in step with settings, registry and trust bundle. */
export class Entrance {
  readonly group: EntranceGroup;
  private readonly name: EntranceName;
  private readonly metrics: EntranceMetrics;
  private readonly reports: RefusalReports;
  private readonly refusals: RefusalLog;
  private readonly listener: EntranceListener;
  // In order: settings that were read earlier must not be applied later.
  private readonly changes = new SerialQueue();
  private readonly guard: LevelGuard;
  /** Why the entrance is shut although its settings would open it. */
  private objection: Objection | undefined;
  private isClosed = false;
  private stopWatching: (() => void) | undefined;

  /**
   * @param context of the service the entrance belongs to
   * @param admission asks the registry about peers, shared by the entrances of the service
   */
  constructor(
    private readonly context: ConnectedContext,
    private readonly admission: AdmissionClient,
    private readonly options: EntranceOptions,
  ) {
    this.group = options.source.group;
    this.name = entranceName(options.source);
    this.metrics = new EntranceMetrics(context.metrics, this.name);
    this.reports = new RefusalReports(context);
    this.refusals = new RefusalLog(context.log, context.clock);
    this.guard = new LevelGuard(context, options.source);
    this.listener = new EntranceListener((place) => this.listenerAt(place), options.limits?.drainMs ?? drainMs);
    context.readiness.add(`entrance ${this.name}`, () => this.objection?.state);
  }

  /**
   * As `apply`, when the service starts: an entrance whose settings would open it lower than it last was stays shut,
   * and log and readiness say why. The service runs, so that an administrator can reach it.
   *
   * @throws as `apply`, but for that.
   */
  async open(): Promise<void> {
    // Before the first reading, so that no change is missed.
    this.stopWatching = this.options.source.watch?.(() => this.applyChange());
    try {
      await this.changes.run(() => this.readAndApply({}, (objection) => this.stayShut(objection)));
    } catch (error) {
      this.stopWatching?.();
      throw error;
    }
  }

  /**
   * Puts in force what settings and files say now: opens the entrance, changes its level, certificate or CAs, or shuts
   * it. Sessions that still hold go on. An entrance that the settings do not ask for is closed, whatever its level was: that lowers
   * nothing. Does nothing after `close`.
   *
   * @throws Problem `config-invalid`: settings or files do not fit together, the address cannot be bound, or the level
   *   would be lower than it was without an administrator's word; nothing changed.
   */
  apply(options: ApplyOptions = {}): Promise<void> {
    return this.changes.run(() => this.readAndApply(options, refuse));
  }

  /** Undefined while it is closed because its settings ask for none. */
  describe(): EntranceDescription | undefined {
    const { options } = this;
    const { bound } = this.listener;
    const place = bound ?? this.placeInSettings();
    if (place === undefined) return undefined;
    const { moreHosts } = 'address' in place ? place.address : place;
    const certificate = bound?.certificate;
    return {
      name: options.name,
      group: this.group,
      ...(options.source.profile === undefined ? {} : { profile: options.source.profile }),
      host: place.host,
      ...(moreHosts === undefined ? {} : { moreHosts: [...moreHosts] }),
      port: place.port,
      level: this.level,
      isOpen: bound !== undefined,
      ...(this.objection === undefined ? {} : { shutReason: this.objection.reason }),
      sessions: bound?.listener.sessions.filter(({ peer }) => peer !== undefined).length ?? 0,
      ...(certificate === undefined
        ? {}
        : { fingerprint: certificate.fingerprint, notAfter: certificate.notAfter.toISOString() }),
    };
  }

  /** Shuts the entrance for good. Connections in progress may finish within a few seconds. */
  close(): Promise<void> {
    this.isClosed = true;
    this.stopWatching?.();
    return this.changes.run(() => this.listener.close());
  }

  /** Ends the sessions a change concerns, unless the registry still admits their peer. */
  follow(change: DeviceChange | 'resynchronise'): void {
    const concerns = (peer: Peer) => change === 'resynchronise' || peer.deviceId === change.deviceId;
    if (change === 'resynchronise') this.revalidate(concerns, registryGraceMs);
    else if (change.state === 'active') this.revalidate(concerns);
    else this.endSessions(concerns, `device-${change.state}`);
  }

  /** Asks the registry again about the peers of these sessions. */
  recheck(concerns: (peer: Peer) => boolean): void {
    this.revalidate(concerns, registryGraceMs);
  }

  /** The source has something new. What cannot be put in force changes nothing, and is in the log. */
  private applyChange(): void {
    this.apply().catch((error: unknown) =>
      this.context.log.error({ error, entrance: this.name }, 'entrance could not apply the changed CAs'),
    );
  }

  private async readAndApply(
    { lowerTo }: ApplyOptions,
    onObjection: (objection: Objection) => Promise<void>,
  ): Promise<void> {
    const address = this.options.source.address();
    if (address === undefined) return this.withdraw();
    const { level, security, warnings } = await this.options.source.read();
    if (this.isClosed) return;
    for (const warning of warnings)
      this.context.log.warn({ warning, entrance: this.name }, 'security settings need attention');
    const objection = await this.guard.objection(level, lowerTo);
    const putSettingsInForce = await this.options.takeOver?.(level);
    if (this.isMutualOnly && level !== 'mutual') return this.shutBelowMutual(objection);
    if (objection !== undefined) return onObjection(objection);
    await this.guard.during(level, () => this.listener.putInForce({ address, security }));
    putSettingsInForce?.();
    this.objection = undefined;
    const { host, port } = this.listener.bound ?? address;
    this.context.log.info({ entrance: this.name, securityLevel: level, host, port }, 'entrance in force');
  }

  /** Undefined also when the settings name a place that this machine does not have. */
  private placeInSettings(): Address | undefined {
    try {
      return this.options.source.address();
    } catch (fault) {
      if (fault instanceof Problem) return undefined;
      throw fault;
    }
  }

  /** Its settings ask for none any more. The stored level stays: the entrance opens no lower when they do again. */
  private withdraw(): Promise<void> {
    if (this.listener.bound !== undefined)
      this.context.log.info({ entrance: this.name }, 'entrance closes, as its settings say');
    this.objection = undefined;
    return this.listener.close();
  }

  /** A shut entrance is safe, but an operator must learn of it when it was not intended. */
  private async shutBelowMutual(objection: Objection | undefined): Promise<void> {
    if (objection !== undefined) return this.stayShut(objection);
    await this.guard.during('plain', () => this.listener.close());
    this.objection = undefined;
  }

  private stayShut(objection: Objection): Promise<void> {
    this.objection = objection;
    this.context.log.error({ entrance: this.name, reason: objection.reason }, 'entrance stays shut');
    return this.listener.close();
  }

  private get level(): SecurityLevel {
    const { bound } = this.listener;
    if (bound !== undefined) return bound.listener.level;
    return this.isMutualOnly ? 'mutual' : (this.objection?.formerLevel ?? 'plain');
  }

  private get isMutualOnly(): boolean {
    const { mutualOnly = false } = this.options;
    return typeof mutualOnly === 'boolean' ? mutualOnly : mutualOnly();
  }

  private listenerAt({ address, security }: Place): SecureListener {
    const { handler, permittedKinds, leafRule, connectorOf, limits } = this.options;
    const { clock, log } = this.context;
    return new SecureListener({
      ...address,
      name: this.name,
      security,
      handler,
      admission: this.admission,
      now: () => clock.now(),
      ...(permittedKinds === undefined ? {} : { permittedKinds }),
      ...(leafRule === undefined ? {} : { leafRule }),
      ...(connectorOf === undefined ? {} : { connectorOf }),
      ...(limits === undefined ? {} : { limits }),
      events: {
        onRefusal: (refusal) => this.noteRefusal(refusal),
        onAdmitted: () => this.metrics.admitted(),
        onCounted: (event) => this.metrics.counted(event),
        onWarning: (text, fields) => log.warn({ ...fields, entrance: this.name }, text),
      },
    });
  }

  /** As `RefusalLog.expectProbes`. */
  expectProbes(count: number): void {
    this.refusals.expectProbes(count);
  }

  private noteRefusal(refusal: RefusalEvent): void {
    this.metrics.refused(refusal.reason);
    const leftOut = this.refusals.note(refusal, this.name);
    if (leftOut === undefined || recordedByRegistry.has(refusal.reason)) return;
    this.reports.report(refusal, { entrance: this.name, leftOut });
  }

  private endSessions(concerns: (peer: Peer) => boolean, reason: RefusalReason): void {
    const refuse = (peer: Peer) => (concerns(peer) ? reason : undefined);
    const ended = this.listener.all.reduce((sum, listener) => sum + listener.refuseSessions(refuse), 0);
    if (ended > 0) this.context.log.info({ entrance: this.name, reason, sessions: ended }, 'sessions ended');
  }

  private revalidate(concerns: (peer: Peer) => boolean, graceMs = 0): void {
    for (const listener of this.listener.all)
      listener
        .revalidateSessions(concerns, { graceMs })
        .catch((error: unknown) => this.context.log.error({ error }, 'sessions could not be revalidated'));
  }
}

async function refuse({ reason }: Objection): Promise<void> {
  throw new Problem('config-invalid', reason);
}
