import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { within } from '@sallyport/concurrency';
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
export async function readGreeting(broker: Duplex, options: GreetingOptions): Promise<Greeting> {
  const { deadlineMs } = options;
  const closed = once(broker, 'close').then(() => {
    throw new Error('it closed the connection before it answered');
  });
  const late = () => new Error(`it did not answer a CONNECT within ${deadlineMs} ms`);
  // When the answer comes first, nobody waits for the end any more.
  closed.catch(() => undefined);
  return within(Promise.race([connackFrom(broker, options), closed]), deadlineMs, { late });
}

function connackFrom(broker: Duplex, { version, assignedClientId }: GreetingOptions): Promise<Greeting> {
  const reader = new PacketReader({ sender: 'server', version, largestBytes: mostConnackBytes });
  return new Promise((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      try {
        reader.push(chunk);
        const connack = reader.next();
        if (connack === undefined) return;
        if (connack.type !== 'connack') throw new Error(`it answered CONNECT with ${connack.type.toUpperCase()}`);
        const frame = assignedClientId === undefined ? reader.frame : withClientId(connack, version, assignedClientId);
        settle(() => resolve({ connack, bytes: [frame, reader.takeRest()] }));
      } catch (error) {
        settle(() => reject(error));
      }
    };
    const settle = (outcome: () => void): void => {
      broker.off('data', take).pause();
      outcome();
    };
    broker.on('data', take);
  });
}

/** @see MQTT 5.0 §3.2.2.3.7: the client uses this id from now on, so it has to be the one the door takes from it */
function withClientId(connack: ConnackPacket, version: ProtocolVersion, assignedClientIdentifier: string): Buffer {
  if (version !== 5 || connack.reasonCode !== 0) return encodeConnack(connack, version);
  return encodeConnack({ ...connack, properties: { ...connack.properties, assignedClientIdentifier } }, version);
}
