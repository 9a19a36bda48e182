import { duplexPair } from 'node:stream';
import { waitFor } from '@sallyport/testkit';
import type { MqttConnection } from './port.js';

/** MQTT packet types, in the high half of the first byte (MQTT 5.0 §2.1.2). */
export const packetTypes = { publish: 3, puback: 4, disconnect: 14 } as const;

/** A broker of one client that answers with the bytes a test gives it, and shows what the client sent. */
export class ScriptedBroker {
  readonly packets: Buffer[] = [];
  readonly connection: MqttConnection;
  private stream = duplexPair()[0];

  /** @param connack the whole packet */
  constructor(private readonly connack: readonly number[]) {
    this.connection = { kind: 'in-process', clientId: 'test', openStream: () => this.accept() };
  }

  send(...bytes: number[]): void {
    this.stream.write(Buffer.from(bytes));
  }

  ofType(type: number): Buffer[] {
    return this.packets.filter(([first = 0]) => first >> 4 === type);
  }

  /** Waits for so many packets of a type. */
  async expect(type: number, count: number): Promise<Buffer[]> {
    await waitFor(() => this.ofType(type).length >= count);
    return this.ofType(type);
  }

  private accept() {
    const [ours, theirs] = duplexPair();
    this.stream = theirs;
    theirs.on('data', (bytes: Buffer) => this.take(bytes));
    theirs.on('error', () => undefined);
    theirs.once('end', () => theirs.end());
    return ours;
  }

  /** The test's packets are shorter than 128 bytes, so that their length is one byte. */
  private take(bytes: Buffer): void {
    for (let rest = bytes; rest.length > 0; rest = rest.subarray(2 + (rest[1] ?? 0))) {
      const packet = rest.subarray(0, 2 + (rest[1] ?? 0));
      this.packets.push(packet);
      if ((packet[0] ?? 0) >> 4 === 1) this.send(...this.connack);
    }
  }
}

/** A PUBLISH at QoS 1 to topic "a", MQTT 3.1.1. */
export function publishPacket(packetId: number, payload: string): number[] {
  const body = [0, 1, 0x61, packetId >> 8, packetId & 0xff, ...Buffer.from(payload)];
  return [0x32, body.length, ...body];
}

/** The packet identifier of a PUBACK. */
export function acknowledged(puback: Buffer): number {
  return puback.readUInt16BE(2);
}
