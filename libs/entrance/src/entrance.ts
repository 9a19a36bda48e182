import {
  type DeviceChange,
  type EntranceDescription,
  type EntranceGroup,
  type PeerKind,
  type RefusalReason,
  recordRefusal,
  type SecurityLevel,
} from '@sallyport/protocol';
import type { ServiceContext } from '@sallyport/runtime';
import { type ListenerOptions, type Peer, type Refusal, SecureListener, type SecuritySettings } from '@sallyport/tls';
import type { AdmissionClient } from './admission-client.js';
import { EntranceMetrics } from './entrance-metrics.js';
import type { SecuritySource } from './security-source.js';

export interface EntranceOptions {
  /** What passes through, in words: `file transfer`. */
  readonly name: string;
  readonly source: SecuritySource;
  readonly handler: ListenerOptions['handler'];
  /** Kinds of certificate that may pass; all of them when absent. */
  readonly permittedKinds?: ReadonlySet<PeerKind>;
  /** The door stays shut until its settings ask for client certificates. */
  readonly mutualOnly?: boolean;
}

// Long enough for a download to end; what is still open then is cut.
const drainMs = 5_000;

/** One door of a service: its secure listener, held to its settings, to the registry and to the trust bundle. */
export class Entrance {
  readonly group: EntranceGroup;
  private readonly metrics: EntranceMetrics;
  private listener: SecureListener | undefined;

  /**
   * @param context of the service the door belongs to
   * @param admission asks the registry about peers, shared by the doors of the service
   */
  constructor(
    private readonly context: ServiceContext,
    private readonly admission: AdmissionClient,
    private readonly options: EntranceOptions,
  ) {
    this.group = options.source.group;
    this.metrics = new EntranceMetrics(context.metrics, this.group);
    admission.onChange((change) => this.applyChange(change));
  }

  /**
   * Puts in force what settings and files say now: opens the door, changes its level, certificate or CAs, or shuts it.
   * Sessions that still hold go on.
   *
   * @throws Problem `config-invalid`: settings or files do not fit together; nothing changed.
   * @throws Problem `unavailable`: the address cannot be bound.
   */
  async apply(): Promise<void> {
    const { level, security, warnings } = await this.options.source.read();
    for (const warning of warnings) this.context.log.warn({ warning, entrance: this.group }, 'trust needs attention');
    if (this.options.mutualOnly === true && level !== 'mutual') return this.close();
    await (this.listener === undefined ? this.open(security) : this.listener.reload(security));
    this.context.log.info({ entrance: this.group, level, ...this.options.source.address() }, 'entrance in force');
  }

  describe(): EntranceDescription {
    const certificate = this.listener?.certificate;
    return {
      name: this.options.name,
      group: this.group,
      ...(this.listener?.address ?? this.options.source.address()),
      level: this.level,
      isOpen: this.listener !== undefined,
      sessions: this.listener?.sessions.length ?? 0,
      ...(certificate === undefined
        ? {}
        : { fingerprint: certificate.fingerprint, notAfter: certificate.notAfter.toISOString() }),
    };
  }

  /** Shuts the door: no new connection, those under way may finish within a few seconds. */
  async close(): Promise<void> {
    const closing = this.listener;
    this.listener = undefined;
    await closing?.close({ drainMs });
  }

  private get level(): SecurityLevel {
    if (this.listener !== undefined) return this.listener.level;
    return this.options.mutualOnly === true ? 'mutual' : 'plain';
  }

  private async open(security: SecuritySettings): Promise<void> {
    const { handler, permittedKinds, source } = this.options;
    const { log } = this.context;
    const listener = new SecureListener({
      ...source.address(),
      name: this.group,
      security,
      handler,
      admission: this.admission,
      ...(permittedKinds === undefined ? {} : { permittedKinds }),
      events: {
        onRefusal: (refusal) => this.noteRefusal(refusal),
        onAdmitted: () => this.metrics.admitted(),
        onWarning: (text, fields) => log.warn({ ...fields, entrance: this.group }, text),
      },
    });
    await listener.listen();
    this.listener = listener;
  }

  private noteRefusal(refusal: Refusal): void {
    const { decidedBy, ...record } = refusal;
    this.metrics.refused(refusal.reason);
    this.context.log.info({ ...refusal, entrance: this.group }, 'peer refused');
    // The registry's own verdicts are in its audit log already.
    if (decidedBy === 'registry') return;
    this.context.rpc
      .call(recordRefusal, { ...record, entrance: this.group })
      .catch((error: unknown) => this.context.log.warn({ error }, 'refusal could not be recorded in the audit log'));
  }

  /** Ends the sessions a change concerns, unless the registry still admits their peer. */
  private applyChange(change: DeviceChange | 'resynchronise'): void {
    const concerns = (peer: Peer) => change === 'resynchronise' || peer.deviceId === change.deviceId;
    if (change === 'resynchronise' || change.state === 'active') this.revalidate(concerns);
    else this.endSessions(concerns, `device-${change.state}`);
  }

  private endSessions(concerns: (peer: Peer) => boolean, reason: RefusalReason): void {
    const ended = this.listener?.refuseSessions((peer) => (concerns(peer) ? reason : undefined)) ?? 0;
    if (ended > 0) this.context.log.info({ entrance: this.group, reason, sessions: ended }, 'sessions ended');
  }

  private revalidate(concerns: (peer: Peer) => boolean): void {
    const { log } = this.context;
    for (const session of this.listener?.sessions.filter(({ peer }) => concerns(peer)) ?? [])
      this.revalidateSession(session).catch((error: unknown) =>
        log.error({ error }, 'session could not be revalidated'),
      );
  }

  private async revalidateSession(session: { readonly peer: Peer; readonly remoteAddress: string }): Promise<void> {
    const { peer, remoteAddress } = session;
    const request = this.listener?.admissionRequestFor(peer, remoteAddress);
    if (request === undefined) return;
    const decision = await this.admission.ask(request);
    if (decision.outcome === 'admitted') return;
    const { reason } = decision;
    this.listener?.refuseSessions((other) => (other.fingerprint === peer.fingerprint ? reason : undefined));
  }
}
