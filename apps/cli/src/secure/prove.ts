import { setTimeout as delay } from 'node:timers/promises';
import type { EntranceDefinition, EntranceDescription, SecurityLevel } from '@sallyport/protocol';
import { reasonOf } from '@sallyport/runtime';
import { Failure } from '../failure.js';
import {
  type ClientIdentity,
  coapGreeting,
  mqttGreeting,
  type ProbeTarget,
  probeHttp,
  probeHttps,
  probeSession,
  probeSessionOverTls,
  reachableHost,
  type ServerTrust,
  Silence,
  takesConnections,
} from './probe.js';

export interface Proof {
  readonly protocol: EntranceDefinition['protocol'];
  readonly entrance: EntranceDescription;
  readonly level: SecurityLevel;
  /** How to know that it is the right listener; needed above level plain. */
  readonly trust?: ServerTrust | undefined;
  /** Whom to connect as; needed at level mutual. */
  readonly client?: ClientIdentity | undefined;
  /** Milliseconds one attempt may take; 5 s when absent. */
  readonly deadlineMs?: number;
  /** Milliseconds after which a permitted client must get in; 2 s when absent. */
  readonly settlingMs?: number;
}

const greetings = { mqtt: mqttGreeting, coap: coapGreeting } as const;

// Listeners and registry learn of a change by events, which take a moment.
const usualSettlingMs = 2_000;
const pauseMs = 100;

/**
 * Connects to a listener as a client would, and checks its level: permitted clients get in, and all others are refused.
 *
 * @returns what was seen, in words
 * @throws Failure: what was seen instead
 */
export async function prove(proof: Proof): Promise<string> {
  const { entrance, deadlineMs } = proof;
  const target = { host: reachableHost(entrance.host), port: entrance.port, deadlineMs };
  if (!entrance.isOpen) return proveClosed(target);
  switch (proof.level) {
    case 'plain':
      return provePlain(proof, target);
    case 'server':
      return proveServer(proof, target);
    case 'mutual':
      return proveMutual(proof, target);
    default:
      return proof.level satisfies never;
  }
}

async function proveClosed(target: ProbeTarget): Promise<string> {
  if (await takesConnections(target)) throw seen(target, 'something answers although the entrance should be closed');
  return 'closed until level mutual';
}

async function provePlain(proof: Proof, target: ProbeTarget): Promise<string> {
  const { protocol } = proof;
  await eventually(proof, target, () =>
    protocol === 'http' ? answersWithoutRedirect(target) : probeSession(greetings[protocol], target),
  );
  return 'answers without TLS';
}

async function answersWithoutRedirect(target: ProbeTarget): Promise<void> {
  const { status } = await probeHttp(target);
  if (status === 307) throw new Error('it still redirects to https');
}

async function proveServer(proof: Proof, target: ProbeTarget): Promise<string> {
  await eventually(proof, target, () => connect(proof, target));
  return `answers over TLS to clients that trust this site; ${await provePlainIsRefused(proof, target)}`;
}

async function proveMutual(proof: Proof, target: ProbeTarget): Promise<string> {
  await eventually(proof, target, () => connect(proof, target, proof.client));
  if (!(await isRefused(target, () => connect(proof, target))))
    throw seen(target, 'a client without a certificate was let in');
  return `lets a certificate of this site in and nobody else; ${await provePlainIsRefused(proof, target)}`;
}

async function connect({ protocol, trust }: Proof, target: ProbeTarget, client?: ClientIdentity): Promise<void> {
  if (trust === undefined) throw new Error('nobody said how to believe the listener');
  if (protocol !== 'http') return await probeSessionOverTls(greetings[protocol], target, { trust, client });
  const { status } = await probeHttps(target, { trust, client });
  // A listener answers 403 or 503 to a peer it does not admit. A service never answers the probe with these.
  if (status === 403 || status === 503) throw new Error(`the listener refused the client (HTTP ${status})`);
}

async function provePlainIsRefused({ protocol }: Proof, target: ProbeTarget): Promise<string> {
  if (protocol !== 'http') {
    if (!(await isRefused(target, () => probeSession(greetings[protocol], target))))
      throw seen(target, 'a client without TLS was let in');
    return 'refuses clients without TLS';
  }
  const { status, location } = await probeHttp(target);
  if (status !== 307 || location?.startsWith('https://') !== true)
    throw seen(target, `plain HTTP was answered with status ${status} and not redirected`);
  return 'redirects plain HTTP';
}

/** True when the listener refused the attempt. No answer at all is a failure. */
async function isRefused(target: ProbeTarget, attempt: () => Promise<unknown>): Promise<boolean> {
  return attempt().then(
    () => false,
    (fault: unknown) => {
      if (fault instanceof Silence) throw seen(target, 'a client that should be refused got no answer', fault);
      return true;
    },
  );
}

async function eventually(
  { settlingMs = usualSettlingMs }: Proof,
  target: ProbeTarget,
  attempt: () => Promise<void>,
): Promise<void> {
  const giveUpAt = performance.now() + settlingMs;
  for (;;) {
    const fault: unknown = await attempt().then(
      () => undefined,
      (error: unknown) => error,
    );
    if (fault === undefined) return;
    if (performance.now() >= giveUpAt) throw seen(target, reasonOf(fault), fault);
    await delay(pauseMs);
  }
}

function seen({ host, port }: ProbeTarget, what: string, cause?: unknown): Failure {
  return new Failure(
    `a client that connected to ${host}:${port} saw: ${what}.`,
    'Look for the reason in the log of the service, or run: sallyport doctor',
    { cause },
  );
}
