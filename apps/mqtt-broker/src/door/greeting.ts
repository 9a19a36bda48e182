import type { Duplex } from 'node:stream';
import { type ConnackPacket, encodeConnack, PacketReader, type ProtocolVersion } from '@sallyport/mqtt-wire';

/** A CONNACK of MQTT 5 may hold user properties. */
const mostConnackBytes = 16 * 1024;

/** How the broker answered a CONNECT. */
export interface Greeting {
  readonly connack: ConnackPacket;
  /** CONNACK as the client shall see it, and what came behind it. */
  readonly bytes: readonly Buffer[];
}

export interface GreetingOptions {
  readonly version: ProtocolVersion;
  /** The client id that CONNACK has to tell the client. */
  readonly assignedClientId: string | undefined;
  readonly deadlineMs: number;
}

/**
 * Reads the CONNACK of the broker, and pauses the stream behind it.
 *
 * @throws Error: the broker closed, sent something else, or did not answer in time.
 */
export function readGreeting(broker: Duplex, options: GreetingOptions): Promise<Greeting> {
  const { version, deadlineMs } = options;
  const reader = new PacketReader({ sender: 'server', version, largestBytes: mostConnackBytes });
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void): void => {
      clearTimeout(timer);
      broker.off('data', take).off('close', leave).pause();
      outcome();
    };
    const fail = (error: unknown): void => settle(() => reject(error));
    const leave = (): void => fail(new Error('it closed the connection before it answered'));
    const take = (chunk: Buffer): void => {
      try {
        const greeting = greetingIn(reader, chunk, options);
        if (greeting !== undefined) settle(() => resolve(greeting));
      } catch (error) {
        fail(error);
      }
    };
    const timer = setTimeout(() => fail(new Error(`it did not answer a CONNECT within ${deadlineMs} ms`)), deadlineMs);
    broker.on('data', take).once('close', leave);
    if (broker.destroyed) leave();
  });
}

/** Undefined while CONNACK is not complete. */
function greetingIn(
  reader: PacketReader,
  chunk: Buffer,
  { version, assignedClientId }: GreetingOptions,
): Greeting | undefined {
  reader.push(chunk);
  const connack = reader.next();
  if (connack === undefined) return undefined;
  if (connack.type !== 'connack') throw new Error(`it answered CONNECT with ${connack.type.toUpperCase()}`);
  const frame = assignedClientId === undefined ? reader.frame : withClientId(connack, version, assignedClientId);
  return { connack, bytes: [frame, reader.takeRest()] };
}

/** @see MQTT 5.0 §3.2.2.3.7: the client uses this id from now on, so it has to be the one the door takes from it */
function withClientId(connack: ConnackPacket, version: ProtocolVersion, assignedClientIdentifier: string): Buffer {
  if (version !== 5 || connack.reasonCode !== 0) return encodeConnack(connack, version);
  return encodeConnack({ ...connack, properties: { ...connack.properties, assignedClientIdentifier } }, version);
}
