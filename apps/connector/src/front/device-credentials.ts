import { hash } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { BoundedMap } from '@sallyport/concurrency';
import { AnnouncedChanges } from '@sallyport/entrance';
import { subscribeEvent } from '@sallyport/mqtt';
import {
  type ActivationDecision,
  type ActivationRequest,
  type AuthenticationDecision,
  type AuthenticationRequest,
  activateDevice,
  authenticateDevice,
  connectorsChanged,
  type DeviceId,
  deviceChanged,
} from '@sallyport/protocol';
import { ConnectedContext, FaultLog } from '@sallyport/runtime';

const deadlineMs = 2_500;
// The registry may ask a hook of the operator first, for up to 5 s. A token whose answer came too late would be lost.
const activationDeadlineMs = 7_500;
// An answer is remembered this long, unless the registry changes it. The limit matters only when an event is lost.
const cacheLifetimeMs = 60_000;
// Changes may come faster than answers.
const mostTries = 10;
// About 5 MB when full.
const mostRemembered = 20_000;

type Admitted = Extract<AuthenticationDecision, { readonly outcome: 'admitted' }>;

interface Remembered {
  readonly decision: Admitted;
  readonly decidedAtMs: number;
}

/** Called for every change of a device, after what was remembered of it is forgotten; undefined: of any device. */
export type CredentialListener = (deviceId: DeviceId | undefined) => void;

/**
 * Asks the registry about tokens and passwords, and remembers who was admitted until the registry announces a change.
 * Fails closed: no answer, no entry.
 */
@Injectable()
export class DeviceCredentials implements OnModuleInit {
  private readonly remembered = new BoundedMap<string, Remembered>(mostRemembered);
  private readonly listeners = new Set<CredentialListener>();
  private readonly faults: FaultLog;
  private readonly changes = new AnnouncedChanges();

  constructor(private readonly context: ConnectedContext) {
    this.faults = new FaultLog(context.log, context.clock, 'device registry did not answer');
  }

  async onModuleInit(): Promise<void> {
    const { mqtt } = this.context;
    const forgetAll = () => this.forget(undefined);
    const options = { isDurable: false, onInvalid: forgetAll };
    await subscribeEvent(mqtt, deviceChanged, async ({ deviceId }) => this.forget(deviceId), options);
    await subscribeEvent(mqtt, connectorsChanged, async () => forgetAll(), options);
    mqtt.onReconnect(forgetAll);
  }

  /** @returns ends the calls */
  onChange(listener: CredentialListener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  async authenticate(request: AuthenticationRequest): Promise<AuthenticationDecision> {
    const key = keyOf(request);
    const nowMs = this.context.clock.now().getTime();
    const known = this.recall(key, nowMs);
    if (known !== undefined && this.context.mqtt.isConnected) return known;
    const decision = await this.askInPeace(request);
    if (decision.outcome === 'admitted') this.remembered.set(key, { decision, decidedAtMs: nowMs });
    return decision;
  }

  /** Not idempotent: the token in the answer is given once. */
  async activate(request: ActivationRequest): Promise<ActivationDecision> {
    try {
      return await this.context.rpc.call(activateDevice, request, { deadlineMs: activationDeadlineMs });
    } catch (error) {
      this.faults.note(error);
      return { outcome: 'refused', reason: 'admission-unavailable' };
    }
  }

  /** An answer from before a change must not be remembered after it, nor let anybody in. */
  private async askInPeace(request: AuthenticationRequest): Promise<AuthenticationDecision> {
    for (let tries = 0; tries < mostTries; tries += 1) {
      const { answer: decision, hasChanged } = await this.changes.during(() => this.ask(request));
      if (decision.outcome === 'refused' || !hasChanged(decision.deviceId)) return decision;
    }
    return { outcome: 'refused', reason: 'admission-unavailable' };
  }

  private async ask(request: AuthenticationRequest): Promise<AuthenticationDecision> {
    try {
      return await this.context.rpc.call(authenticateDevice, request, { deadlineMs });
    } catch (error) {
      this.faults.note(error);
      return { outcome: 'refused', reason: 'admission-unavailable' };
    }
  }

  private recall(key: string, nowMs: number): Admitted | undefined {
    const found = this.remembered.get(key);
    if (found === undefined) return undefined;
    const { decision, decidedAtMs } = found;
    const ageMs = nowMs - decidedAtMs;
    // When the clock was set back, the answer must not last longer.
    if (ageMs < 0 || ageMs >= cacheLifetimeMs) return undefined;
    return decision.expiresAt === undefined || Date.parse(decision.expiresAt) > nowMs ? decision : undefined;
  }

  private forget(deviceId: DeviceId | undefined): void {
    this.changes.note(deviceId);
    if (deviceId === undefined) this.remembered.clear();
    for (const [key, { decision }] of this.remembered) if (decision.deviceId === deviceId) this.remembered.delete(key);
    for (const listener of this.listeners) listener(deviceId);
  }
}

/** The secret itself is kept nowhere. */
function keyOf({ connector, credential }: AuthenticationRequest): string {
  return hash('sha256', JSON.stringify([connector, credential]), 'base64');
}
