import type { AdmissionRequest, DeviceChange, EntranceDescription, PeerKind } from '@sallyport/protocol';
import { recordRefusal } from '@sallyport/protocol';
import type { ServiceContext } from '@sallyport/runtime';
import { type ListenerOptions, type Peer, type Refusal, SecureListener } from '@sallyport/tls';
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
}

/** One door of a service: its secure listener, held to its settings, to the registry and to the trust bundle. */
export class Entrance {
  private readonly listener: SecureListener;
  private readonly metrics: EntranceMetrics;

  private constructor(
    private readonly context: ServiceContext,
    private readonly admission: AdmissionClient,
    private readonly options: EntranceOptions,
    initial: Pick<ListenerOptions, 'security' | 'host' | 'port'>,
  ) {
    this.metrics = new EntranceMetrics(context.metrics, options.source.group);
    this.listener = new SecureListener({
      ...initial,
      name: options.source.group,
      handler: options.handler,
      admission,
      ...(options.permittedKinds === undefined ? {} : { permittedKinds: options.permittedKinds }),
      events: {
        onRefusal: (refusal) => this.noteRefusal(refusal),
        onAdmitted: () => this.metrics.admitted(),
        onWarning: (text, fields) => context.log.warn({ ...fields, entrance: options.source.group }, text),
      },
    });
    admission.onChange((change) => void this.applyChange(change));
  }

  /**
   * Opens the door.
   *
   * @throws Problem `config-invalid`: settings or files do not fit together; the text names every key of the group.
   * @throws Problem `unavailable`: the address cannot be bound.
   */
  static async open(context: ServiceContext, admission: AdmissionClient, options: EntranceOptions): Promise<Entrance> {
    const { security, warnings } = await options.source.read();
    const entrance = new Entrance(context, admission, options, { security, ...options.source.address() });
    await entrance.listener.listen();
    entrance.report(warnings);
    return entrance;
  }

  get group(): EntranceDescription['group'] {
    return this.options.source.group;
  }

  describe(): EntranceDescription {
    const { host, port } = this.listener.address;
    const { name, source } = this.options;
    const certificate = this.listener.certificate;
    return {
      name,
      group: source.group,
      host,
      port,
      level: this.listener.level,
      sessions: this.listener.sessions.length,
      ...(certificate === undefined
        ? {}
        : { fingerprint: certificate.fingerprint, notAfter: certificate.notAfter.toISOString() }),
    };
  }

  /**
   * Reads certificate, key and CAs again and puts them in force; sessions that still hold go on.
   *
   * @throws Problem `config-invalid`: nothing changed.
   */
  async reload(): Promise<void> {
    const { security, warnings } = await this.options.source.read();
    await this.listener.reload(security);
    this.report(warnings);
  }

  async close(): Promise<void> {
    await this.listener.close({ drainMs: 5_000 });
  }

  private report(warnings: readonly string[]): void {
    const { level, address } = this.listener;
    for (const warning of warnings) this.context.log.warn({ warning, entrance: this.group }, 'trust needs attention');
    this.context.log.info({ entrance: this.group, level, ...address }, 'entrance open');
  }

  private noteRefusal(refusal: Refusal): void {
    this.metrics.refused(refusal.reason);
    this.context.log.info({ ...refusal, entrance: this.group }, 'peer refused');
    // The registry's own verdicts are in its audit log already.
    if (refusal.decidedBy === 'registry') return;
    const { decidedBy: _, ...record } = refusal;
    this.context.rpc
      .call(recordRefusal, { ...record, entrance: this.group })
      .catch((error: unknown) => this.context.log.warn({ error }, 'refusal could not be recorded in the audit log'));
  }

  /** Ends the sessions a change concerns, unless the registry still admits their peer. */
  private async applyChange(change: DeviceChange | 'resynchronise'): Promise<void> {
    if (change !== 'resynchronise' && change.state !== 'active') {
      const reason = `device-${change.state}` as const;
      const cut = this.listener.refuseSessions((peer) => (peer.deviceId === change.deviceId ? reason : undefined));
      if (cut > 0) this.context.log.info({ deviceId: change.deviceId, reason, sessions: cut }, 'sessions ended');
      return;
    }
    const concerns = (peer: Peer) => change === 'resynchronise' || peer.deviceId === change.deviceId;
    await this.revalidate(concerns);
  }

  private async revalidate(concerns: (peer: Peer) => boolean): Promise<void> {
    for (const { peer, remoteAddress } of this.listener.sessions) {
      if (!concerns(peer)) continue;
      const decision = await this.admission.ask(this.requestFor(peer, remoteAddress));
      if (decision.outcome === 'admitted') continue;
      const { reason } = decision;
      this.listener.refuseSessions((other) => (other.fingerprint === peer.fingerprint ? reason : undefined));
    }
  }

  private requestFor(peer: Peer, remoteAddress: string): AdmissionRequest {
    return this.listener.admissionRequestFor(peer, remoteAddress);
  }
}
