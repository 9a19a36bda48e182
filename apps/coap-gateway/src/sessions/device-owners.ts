import { Injectable, type OnModuleInit } from '@nestjs/common';
import { CoapError } from '@sallyport/coap-wire';
import { BoundedMap } from '@sallyport/concurrency';
import { AnnouncedChanges, mostRemembered, registryDeadlineMs } from '@sallyport/entrance';
import { type CallOptions, subscribeEvent } from '@sallyport/mqtt';
import {
  claimDevice,
  type DeviceId,
  deviceDeleted,
  deviceId as deviceIdSchema,
  deviceOwnerChanged,
  readOwner,
  releaseDevice,
} from '@sallyport/protocol';
import { ConnectedContext, FaultLog } from '@sallyport/runtime';

const mostTries = 3;

interface Remembered {
  readonly owner: string;
  readonly decidedAtMs: number;
}

/** A device and who is at it. */
export interface Claim {
  readonly deviceId: DeviceId;
  readonly owner: string;
  readonly remoteAddress: string;
}

/** Another owner, or none any more. `resynchronise`: changes may have been missed. */
export type OwnerChange = { readonly deviceId: DeviceId; readonly owner?: string | undefined } | 'resynchronise';

/** Called for every change, after what was remembered of it is forgotten. */
export type OwnerListener = (change: OwnerChange) => void;

/**
 * Who owns a device, as the registry says. Its answers are remembered until it announces a change, or for
 * `coap.owner_cache_expiration`. Fails closed: no answer is 5.03, and a device tries again.
 */
@Injectable()
export class DeviceOwners implements OnModuleInit {
  // About 5 MB when full.
  private readonly remembered = new BoundedMap<string, Remembered>(mostRemembered);
  private readonly changes = new AnnouncedChanges();
  private readonly listeners = new Set<OwnerListener>();
  private readonly faults: FaultLog;

  constructor(private readonly context: ConnectedContext) {
    this.faults = new FaultLog(context.log, context.clock, 'device registry did not answer');
  }

  async onModuleInit(): Promise<void> {
    const { mqtt } = this.context;
    const options = { isDurable: false, onInvalid: () => this.forgetAll() };
    await subscribeEvent(mqtt, deviceOwnerChanged, async (change) => this.note(change), options);
    await subscribeEvent(mqtt, deviceDeleted, async ({ deviceId }) => this.note({ deviceId }), options);
    mqtt.onReconnect(() => this.forgetAll());
  }

  /** @returns ends the calls */
  onChange(listener: OwnerListener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** @throws CoapError `5.03`: the registry does not answer */
  async isOwner({ deviceId, owner }: Pick<Claim, 'deviceId' | 'owner'>): Promise<boolean> {
    // A refusal is not remembered: the device can pass as soon as it is claimed.
    if (this.recall(deviceId)?.owner === owner) return true;
    for (let tries = 0; tries < mostTries; tries += 1) {
      const answer = await this.ask(deviceId);
      // One from before a change must not let a session begin that nobody would end.
      if (!answer.isOvertaken) return answer.owner === owner;
    }
    throw new CoapError('5.03', 'temporary error: the owner of the device changes');
  }

  /**
   * Makes somebody the owner of the device.
   *
   * @throws CoapError `4.01`: somebody else owns it, or the registry refuses it; `4.29`: too many new devices of this
   *   owner; `5.03`: the registry does not answer
   */
  async claim(claim: Claim): Promise<void> {
    const { deviceId } = claim;
    const { outcome } = await this.answered((options) => this.context.rpc.call(claimDevice, claim, options));
    this.remembered.delete(keyOf(deviceId));
    if (outcome === 'owned-by-another') throw new CoapError('4.01', 'the device is owned by another user');
    // Not 4.01: the device would forget what it needs to try again.
    if (outcome === 'too-many-new-devices')
      throw new CoapError('4.29', 'the owner brings too many new devices at once');
    if (outcome === 'device-refused') throw new CoapError('4.01', 'the device is refused by the device registry');
  }

  /**
   * Gives the device up.
   *
   * @throws CoapError `4.00`: this owner does not own it; `5.03`: the registry does not answer
   */
  async release(claim: Claim): Promise<void> {
    const { outcome } = await this.answered((options) => this.context.rpc.call(releaseDevice, claim, options));
    this.remembered.delete(keyOf(claim.deviceId));
    if (outcome === 'not-owned') throw new CoapError('4.00', 'cannot find the device among those of the owner');
  }

  private async ask(
    deviceId: DeviceId,
  ): Promise<{ readonly owner: string | undefined; readonly isOvertaken: boolean }> {
    const decidedAtMs = this.nowMs();
    const { answer, hasChanged } = await this.changes.during(() =>
      this.answered((options) => this.context.rpc.call(readOwner, { deviceId }, options)),
    );
    const { owner } = answer;
    const isOvertaken = hasChanged(canonical(deviceId));
    if (owner !== undefined && !isOvertaken) this.remembered.set(keyOf(deviceId), { owner, decidedAtMs });
    return { owner, isOvertaken };
  }

  private async answered<Answer>(question: (options: CallOptions) => Promise<Answer>): Promise<Answer> {
    try {
      return await question({ deadlineMs: registryDeadlineMs });
    } catch (error) {
      this.faults.note(error);
      throw new CoapError('5.03', 'temporary error: the device registry does not answer', { cause: error });
    }
  }

  private recall(deviceId: DeviceId): Remembered | undefined {
    const known = this.remembered.get(keyOf(deviceId));
    // Without announcements, nobody knows whether it is still so.
    if (known === undefined || !this.context.mqtt.isConnected) return undefined;
    const ageMs = this.nowMs() - known.decidedAtMs;
    const mostMs = this.context.settings.get('coap.owner_cache_expiration') * 1000;
    return ageMs >= 0 && ageMs < mostMs ? known : undefined;
  }

  private note(change: Exclude<OwnerChange, 'resynchronise'>): void {
    this.changes.note(canonical(change.deviceId));
    this.remembered.delete(keyOf(change.deviceId));
    this.tell(change);
  }

  private forgetAll(): void {
    this.changes.note(undefined);
    this.remembered.clear();
    this.tell('resynchronise');
  }

  private tell(change: OwnerChange): void {
    for (const listener of this.listeners) listener(change);
  }

  private nowMs(): number {
    return this.context.clock.now().getTime();
  }
}

/** Names differ in more than upper and lower case. */
function keyOf(deviceId: DeviceId): string {
  return deviceId.toLowerCase();
}

function canonical(deviceId: DeviceId): DeviceId {
  return deviceIdSchema.parse(keyOf(deviceId));
}
