import { hash } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { BoundedMap } from '@sallyport/concurrency';
import {
  AnnouncedChanges,
  contactDeadlineMs,
  Entrances,
  isFresh,
  mostRemembered,
  noAnswer,
  registryDeadlineMs,
} from '@sallyport/entrance';
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
import { networkOf } from '@sallyport/tls';
import { GuessLimit } from './guess-limit.js';

// Changes may come faster than answers.
const mostTries = 10;

const unknownCredential = { outcome: 'refused', reason: 'credential-unknown' } as const;

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
  // About 5 MB when full.
  private readonly remembered = new BoundedMap<string, Remembered>(mostRemembered);
  /** When the registry said that a secret is nobody's. A device that shows it again and again is no trouble then. */
  private readonly wrong = new BoundedMap<string, number>(mostRemembered);
  private readonly listeners = new Set<CredentialListener>();
  private readonly faults: FaultLog;
  private readonly changes = new AnnouncedChanges();

  constructor(
    private readonly context: ConnectedContext,
    private readonly guesses: GuessLimit,
    private readonly entrances: Entrances,
  ) {
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

  /** Whether a device with this secret may pass. What is remembered is answered however often its network has guessed. */
  async authenticate(request: AuthenticationRequest): Promise<AuthenticationDecision> {
    const key = keyOf(request);
    const known = this.recall(key);
    if (known !== undefined) return this.admitAgain(request, known);
    const nowMs = this.nowMs();
    const wrongSinceMs = this.wrong.get(key);
    if (wrongSinceMs !== undefined && isFresh(wrongSinceMs, nowMs)) return unknownCredential;
    const decision = await this.guesses.ask(networkOf(request.remoteAddress), () => this.decide(request));
    const isWrong = decision.outcome === 'refused' && decision.reason === unknownCredential.reason;
    if (isWrong) this.wrong.set(key, nowMs);
    return decision;
  }

  /** The same for a device that was admitted before, and so does not guess. */
  async recheck(request: AuthenticationRequest): Promise<AuthenticationDecision> {
    return this.recall(keyOf(request)) ?? (await this.decide(request));
  }

  private admitAgain({ entrance, remoteAddress }: AuthenticationRequest, known: Admitted): Admitted {
    this.entrances.contacts.note({ deviceId: known.deviceId, entrance, remoteAddress });
    return known;
  }

  /** Not idempotent: the token in the answer is given once. */
  activate(request: ActivationRequest): Promise<ActivationDecision> {
    const { rpc } = this.context;
    // A token whose answer came too late would be lost.
    const options = { deadlineMs: contactDeadlineMs };
    return this.guesses.ask(networkOf(request.remoteAddress), () =>
      this.answerOf(() => rpc.call(activateDevice, request, options)),
    );
  }

  private async decide(request: AuthenticationRequest): Promise<AuthenticationDecision> {
    const decidedAtMs = this.nowMs();
    const decision = await this.askInPeace(request);
    if (decision.outcome === 'admitted') this.remembered.set(keyOf(request), { decision, decidedAtMs });
    return decision;
  }

  /** An answer from before a change must not be remembered after it, nor let anybody in. */
  private async askInPeace(request: AuthenticationRequest): Promise<AuthenticationDecision> {
    const { rpc } = this.context;
    const ask = () => rpc.call(authenticateDevice, request, { deadlineMs: registryDeadlineMs });
    for (let tries = 0; tries < mostTries; tries += 1) {
      const { answer: decision, hasChanged } = await this.changes.during(() => this.answerOf(ask));
      if (decision.outcome === 'refused' || !hasChanged(decision.deviceId)) return decision;
    }
    return noAnswer;
  }

  private async answerOf<Decision>(ask: () => Promise<Decision>): Promise<Decision | typeof noAnswer> {
    try {
      return await ask();
    } catch (error) {
      this.faults.note(error);
      return noAnswer;
    }
  }

  private recall(key: string): Admitted | undefined {
    const found = this.remembered.get(key);
    // Without announcements, nobody knows whether it is still so.
    if (found === undefined || !this.context.mqtt.isConnected) return undefined;
    const { decision, decidedAtMs } = found;
    const nowMs = this.nowMs();
    if (!isFresh(decidedAtMs, nowMs)) return undefined;
    return decision.expiresAt === undefined || Date.parse(decision.expiresAt) > nowMs ? decision : undefined;
  }

  private nowMs(): number {
    return this.context.clock.now().getTime();
  }

  private forget(deviceId: DeviceId | undefined): void {
    this.changes.note(deviceId);
    // It may be the secret that somebody has now.
    this.wrong.clear();
    if (deviceId === undefined) this.remembered.clear();
    for (const [key, { decision }] of this.remembered) if (decision.deviceId === deviceId) this.remembered.delete(key);
    for (const listener of this.listeners) listener(deviceId);
  }
}

/** The secret itself is kept nowhere. */
function keyOf({ connector, credential }: AuthenticationRequest): string {
  return hash('sha256', JSON.stringify([connector, credential]), 'base64');
}
