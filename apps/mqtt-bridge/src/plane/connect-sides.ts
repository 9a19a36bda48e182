import type { Duplex } from 'node:stream';
import { SideFault } from './bridge-fault.js';
import type { BridgeClock, BridgeLimits, BridgeSide, ConnectTerms, SideName } from './bridge-types.js';
import { BrokerConnection, type BrokerConnectionOptions } from './broker-connection.js';

export interface ConnectSidesOptions {
  readonly local: BridgeSide;
  readonly remote: BridgeSide;
  readonly limits: BridgeLimits;
  readonly clock: BridgeClock;
  /** Ends the attempt. */
  readonly signal: AbortSignal;
  readonly onConnected: (side: SideName) => void;
  /** Resolves when nobody else uses the session at the local broker. */
  readonly beforeLocal: () => Promise<void>;
}

// MQTT 5.0 §2.1.4: a remaining length of 268,435,455, behind a byte and its own four.
const largestMqttPacketBytes = 268_435_460;

/** Connections to both brokers, with CONNACK. Nothing behind it has been read. */
export interface ConnectedSides {
  readonly local: BrokerConnection;
  /** Has the subscriptions. */
  readonly remote: BrokerConnection;
  /** More connections to the remote broker, which only publish. */
  readonly egress: readonly BrokerConnection[];
}

/**
 * Connects to both brokers, or to none. All byte streams are opened first: a broker that is away costs the other one no
 * session. The local broker is then told how much the remote one takes at a time.
 *
 * @throws SideFault
 */
export async function connectSides(options: ConnectSidesOptions): Promise<ConnectedSides> {
  const streams = await openStreams(options);
  const destroy = (): void => {
    for (const stream of [streams.local, streams.remote, ...streams.egress]) stream.destroy();
  };
  options.signal.addEventListener('abort', destroy);
  try {
    // Credentials are read while a stream is opened.
    const terms = { local: termsOf('local', options), remote: termsOf('remote', options) };
    return await greetAll(streams, terms, options);
  } catch (error) {
    destroy();
    throw error;
  } finally {
    options.signal.removeEventListener('abort', destroy);
  }
}

// Brokers wait some seconds for CONNECT, ours 10 s. A cloud may take longer to answer.
const longestSilenceMs = 5_000;

interface OpenedStreams {
  local: Duplex;
  readonly localOpenedMs: number;
  readonly remote: Duplex;
  readonly egress: readonly Duplex[];
}

async function greetAll(
  streams: OpenedStreams,
  terms: Readonly<Record<SideName, ConnectTerms>>,
  options: ConnectSidesOptions,
): Promise<ConnectedSides> {
  const { limits, onConnected } = options;
  const most = limits.windowMessages;
  const remote = await connectAs('remote', {
    ...options,
    stream: streams.remote,
    terms: terms.remote,
    receiveMaximum: most,
  });
  const more = streams.egress.map((stream, index) =>
    connectAs('remote', { ...options, stream, terms: egressTerms(terms.remote, index), receiveMaximum: 1 }),
  );
  const egress = await Promise.all(more);
  onConnected('remote');
  const receiveMaximum = Math.min(most, remote.peer.receiveMaximum);
  await options.beforeLocal();
  await renewSilent(streams, options);
  const local = await connectAs('local', {
    ...options,
    limits: { ...limits, largestPacketBytes: largestMqttPacketBytes },
    stream: streams.local,
    terms: terms.local,
    receiveMaximum,
  });
  onConnected('local');
  return { local, remote, egress };
}

/** A local broker that has waited long for CONNECT has ended the connection, or is about to. */
async function renewSilent(streams: OpenedStreams, options: ConnectSidesOptions): Promise<void> {
  if (options.clock.nowMs() - streams.localOpenedMs < longestSilenceMs) return;
  streams.local.destroy();
  streams.local = await openSide('local', options);
}

async function connectAs(side: SideName, options: BrokerConnectionOptions): Promise<BrokerConnection> {
  const connection = new BrokerConnection(options);
  await connection.connect().catch((error: unknown) => {
    throw new SideFault(side, error);
  });
  return connection;
}

function termsOf(side: SideName, options: ConnectSidesOptions): ConnectTerms {
  try {
    return options[side].terms();
  } catch (error) {
    throw new SideFault(side, error);
  }
}

/** A connection that only publishes has no session to come back to, and no will. */
function egressTerms(
  { version, clientId, keepAliveSeconds, userName, password }: ConnectTerms,
  index: number,
): ConnectTerms {
  return {
    version,
    clientId: `${clientId}-egress-${index + 2}`,
    isClean: true,
    keepAliveSeconds,
    ...(userName === undefined ? {} : { userName }),
    ...(password === undefined ? {} : { password }),
  };
}

async function openStreams(options: ConnectSidesOptions): Promise<OpenedStreams> {
  const attempt = new AbortController();
  const signal = AbortSignal.any([options.signal, attempt.signal]);
  const opening: Promise<Duplex>[] = [];
  const open = (side: SideName): Promise<Duplex> => {
    const stream = openSide(side, { ...options, signal });
    opening.push(stream);
    return stream;
  };
  const more = Array.from({ length: options.limits.egressConnections - 1 });
  const localOpenedMs = options.clock.nowMs();
  try {
    const [local, remote, egress] = await Promise.all([
      open('local'),
      open('remote'),
      Promise.all(more.map(() => open('remote'))),
    ]);
    return { local, localOpenedMs, remote, egress };
  } catch (error) {
    // The other side may take until its deadline; what it comes to does not matter any more.
    attempt.abort(new Error('The other side of the bridge could not be connected.'));
    for (const stream of opening) stream.then((opened) => opened.destroy()).catch(() => undefined);
    throw error;
  }
}

interface OpenOptions {
  readonly limits: BridgeLimits;
  readonly clock: BridgeClock;
  readonly signal: AbortSignal;
}

/** @throws SideFault */
async function openSide(name: SideName, options: ConnectSidesOptions): Promise<Duplex> {
  try {
    return await openStream(options[name], options);
  } catch (error) {
    throw new SideFault(name, error);
  }
}

/** @throws Error when the stream is not open in time, or the signal comes */
export async function openStream(side: BridgeSide, options: OpenOptions): Promise<Duplex> {
  const { clock, limits, signal } = options;
  const deadline = new AbortController();
  const late = new Error(`No connection within ${limits.openDeadlineMs / 1000} s.`);
  const cancel = clock.after(limits.openDeadlineMs, () => deadline.abort(late));
  const either = AbortSignal.any([signal, deadline.signal]);
  try {
    return await aborting(side.open(either), either);
  } finally {
    cancel();
  }
}

/** The stream, or the reason of the signal when that comes first. A stream that comes later is destroyed. */
function aborting(opening: Promise<Duplex>, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort);
    opening
      .then((stream) => (signal.aborted ? stream.destroy() : resolve(stream)), reject)
      .finally(() => signal.removeEventListener('abort', abort));
    if (signal.aborted) abort();
  });
}
