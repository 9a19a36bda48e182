import { encodePublish, PacketReader, type Properties } from '@sallyport/mqtt-wire';
import type { RecordReader } from './journal/record-reader.js';
import type { RecordWriter } from './journal/record-writer.js';

/** Types of the records in the journal. A number is never used again for something else. */
export const recordTypes = {
  /** A session to be kept, its owner, and when it was used last. */
  session: 1,
  sessionEnded: 2,
  subscription: 3,
  unsubscribed: 4,
  /** A message and the sessions that have not acknowledged it. */
  message: 5,
  acknowledged: 6,
  /** A QoS 2 message that its receiver has; the handshake is not finished. */
  released: 7,
  completed: 8,
  /** A packet identifier of a QoS 2 message from a client, without its PUBREL. */
  unreleased: 9,
  unreleasedEnded: 10,
  retained: 11,
  retainedEnded: 12,
  /** What an earlier release kept in the store is in this journal. */
  imported: 13,
} as const;

const empty = Buffer.alloc(0);
// PUBLISH is the packet that carries the properties of a message. Its topic does not count here.
const carrier = {
  type: 'publish',
  topic: 'p',
  payload: empty,
  qos: 0,
  retain: false,
  isDuplicate: false,
  packetId: 0,
} as const;
const longestProperties = 268_435_455;

export function writeMessageProperties(writer: RecordWriter, properties: Properties | undefined): void {
  writer.binary(properties === undefined ? empty : encodePublish({ ...carrier, properties }, 5));
}

export function readMessageProperties(record: RecordReader): Properties | undefined {
  const bytes = record.binary();
  if (bytes.length === 0) return undefined;
  const reader = new PacketReader({ sender: 'server', version: 5, largestBytes: longestProperties });
  reader.push(bytes);
  const packet = reader.next();
  return packet?.type === 'publish' ? packet.properties : undefined;
}

export function readQos(value: number): 0 | 1 | 2 {
  if (value === 0 || value === 1 || value === 2) return value;
  throw new RangeError(`the journal holds QoS ${value}`);
}
