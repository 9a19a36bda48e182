import { type Duplex, duplexPair } from 'node:stream';
import type { ConnectPacket } from '@sallyport/mqtt-wire';
import { WireClient } from '@sallyport/mqtt-wire/testing';
import {
  type ActivationDecision,
  type AuthenticationDecision,
  type DeviceId,
  defaultConnector,
  deviceId,
  fingerprint,
  type PresentedCredential,
  type RefusalReason,
} from '@sallyport/protocol';
import type { Point } from '@sallyport/twin';
import { DeviceSessions } from './device-sessions.js';
import type { DeviceValuesOverMqtt } from './device-work.js';
import type { SessionLimits } from './session-limits.js';

/** A write that waits for the test to say how it ends. */
export interface WaitingWrite {
  readonly text: string;
  readonly keep: () => void;
  readonly fail: (error: Error) => void;
}

/** The values of one device, on a store whose speed the test decides. */
export class ScriptedValues implements DeviceValuesOverMqtt {
  /** Everything written, in order: `temperature=21`. */
  readonly written: string[] = [];
  /** Only while `isSlow`. */
  readonly waiting: WaitingWrite[] = [];
  isSlow = false;
  unansweredCommands: Point[] = [];
  private readonly listeners = new Set<(command: Point) => void>();

  get listenerCount(): number {
    return this.listeners.size;
  }

  write(alias: string, value: string): Promise<void> {
    return this.take(`${alias}=${value}`);
  }

  record(points: readonly Point[]): Promise<void> {
    return this.take(points.map(({ alias, value, atMicros }) => `${alias}=${value}@${atMicros}`).join(' '));
  }

  onCommand(listener: (command: Point) => void): () => void {
    for (const command of this.unansweredCommands) listener(command);
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  command(command: Point): void {
    for (const listener of this.listeners) listener(command);
  }

  private take(text: string): Promise<void> {
    this.written.push(text);
    if (!this.isSlow) return Promise.resolve();
    return new Promise((keep, fail) => this.waiting.push({ text, keep, fail }));
  }
}

export interface DialOptions extends Partial<Omit<ConnectPacket, 'type'>> {
  /** The name in the certificate of the connection. */
  readonly certificate?: string;
  readonly draining?: AbortSignal;
}

const digest = fingerprint.parse('ab'.repeat(32));

/** Sessions of devices over byte streams in memory, with a registry that knows the secrets of the test. */
export class SessionSite implements Disposable {
  readonly sessions: DeviceSessions;
  /** `connect pump-17`, `disconnect pump-17`. */
  readonly events: string[] = [];
  readonly warnings: string[] = [];
  readonly deviceBySecret = new Map<string, string>();
  readonly tokenByIdentity = new Map<string, string>();
  refusal: RefusalReason = 'credential-unknown';
  /** Milliseconds since 1970. */
  now = 1_700_000_000_000;
  private readonly valuesByDevice = new Map<string, ScriptedValues>();

  constructor(limits: Partial<SessionLimits> = {}) {
    this.sessions = new DeviceSessions({
      limits,
      now: () => this.now,
      onWarning: (text, fields) => this.warnings.push(`${text}: ${String(fields['reason'])}`),
      onConnect: (device) => this.events.push(`connect ${device}`),
      onDisconnect: (device) => this.events.push(`disconnect ${device}`),
      valuesOf: (device) => this.valuesOf(device),
    });
  }

  valuesOf(device: string): ScriptedValues {
    const values = this.valuesByDevice.get(device) ?? new ScriptedValues();
    this.valuesByDevice.set(device, values);
    return values;
  }

  /** Opens a connection and sends nothing. */
  dial({ certificate, version = 4, draining = new AbortController().signal }: DialOptions = {}): WireClient {
    const [ours, theirs] = duplexPair();
    this.accept(theirs, certificate, draining);
    return new WireClient(ours, version);
  }

  /** Connects without waiting for the answer. */
  start({ certificate, draining, ...connect }: DialOptions = {}): WireClient {
    const { version = 4 } = connect;
    const facts = {
      ...(certificate === undefined ? {} : { certificate }),
      ...(draining === undefined ? {} : { draining }),
    };
    return this.dial({ ...facts, version }).connect({ clientId: '', ...connect });
  }

  async open(options: DialOptions = {}): Promise<WireClient> {
    const client = this.start(options);
    const { reasonCode } = await client.next('connack');
    if (reasonCode !== 0) throw new Error(`refused with ${reasonCode}`);
    return client;
  }

  [Symbol.dispose](): void {
    this.sessions.stop();
  }

  private accept(stream: Duplex, certificate: string | undefined, draining: AbortSignal): void {
    this.sessions.accept(stream, {
      deviceId: certificate === undefined ? undefined : deviceId.parse(certificate),
      connector: defaultConnector,
      remoteAddress: '192.0.2.7',
      network: '192.0.2.7',
      draining,
      authenticate: async (credential) => this.decide(credential),
      activate: async (identity) => this.activate(identity),
    });
  }

  private decide(credential: PresentedCredential): AuthenticationDecision {
    const secret = credential.kind === 'token' ? credential.token : `${credential.identity}:${credential.password}`;
    const device = this.deviceBySecret.get(secret);
    if (device === undefined) return { outcome: 'refused', reason: this.refusal };
    return { outcome: 'admitted', deviceId: deviceId.parse(device), credentialDigest: digest };
  }

  private activate(identity: string): ActivationDecision {
    const token = this.tokenByIdentity.get(identity);
    this.tokenByIdentity.delete(identity);
    if (token === undefined) return { outcome: 'refused', reason: 'not-expected' };
    return { outcome: 'activated', deviceId: namedDevice(identity), token };
  }
}

function namedDevice(name: string): DeviceId {
  return deviceId.parse(name);
}
