import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Mqtt } from '@sallyport/mqtt';
import { certificatesWithdrawn, deviceChanged, type EventContract, type Fingerprint } from '@sallyport/protocol';
import { Clock, FaultLog, Log } from '@sallyport/runtime';
import { type JsonValue, type Operation, Outbox, Store } from '@sallyport/store';
import type { z } from 'zod';
import type { DeviceRecord } from './device-record.js';

const mostNamed = 1000;

/** Tells entrances and signer what changed. Recorded together with the change, published when the broker takes it. */
@Injectable()
export class DeviceAnnouncements implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly outbox: Outbox;
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(
    store: Store,
    private readonly mqtt: Mqtt,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.outbox = new Outbox(store, 'outbox/');
  }

  onApplicationBootstrap(): void {
    const publish = (topic: string, payload: unknown) => this.mqtt.publish(topic, JSON.stringify(payload));
    const faults = new FaultLog(this.log, this.clock, 'announcement could not be published, will try again');
    this.running = this.outbox.run(publish, { signal: this.stopping.signal, onRetry: faults.note });
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /** The operation that announces a record after the change, and the certificates the change concerns. */
  record({ deviceId, state, states }: DeviceRecord, fingerprints: readonly Fingerprint[]): Operation {
    // The signer revokes what it issued before the device was revoked or retired, but nothing it issued later.
    const since = state === 'active' ? undefined : states[0]?.at;
    const changedAt = since ?? this.clock.now().toISOString();
    return this.outbox.record(deviceChanged.topic, { deviceId, state, fingerprints: [...fingerprints], changedAt });
  }

  /**
   * What names the certificates of a device that was revoked or retired. The signer puts those on its CRL that it does not
   * know, as after a restore. It passes over certificates of other CAs.
   */
  withdrawal({ deviceId, state, states, certificates }: DeviceRecord): Operation[] {
    if (state !== 'revoked' && state !== 'retired') return [];
    const changedAt = states[0]?.at ?? this.clock.now().toISOString();
    const reason = state === 'revoked' ? 'privilegeWithdrawn' : 'cessationOfOperation';
    const named = certificates
      .slice(0, mostNamed)
      .map(({ fingerprint, serialNumber, issuerFingerprint, notAfter }) => ({
        ...{ fingerprint, serialNumber, issuerFingerprint, notAfter },
      }));
    if (named.length === 0) return [];
    return [this.outbox.record(certificatesWithdrawn.topic, { deviceId, certificates: named, reason, changedAt })];
  }

  /** The operation that announces another event of the registry. */
  announce<Payload extends z.ZodType>(event: EventContract<Payload>, payload: z.input<Payload> & JsonValue): Operation {
    return this.outbox.record(event.topic, payload);
  }
}
