import { connectorName } from '@sallyport/protocol';
import type { JsonValue } from '@sallyport/store';
import { z } from 'zod';
import { tooLarge, twinLimits } from './limits.js';
import type { DeviceWrite, Micros, Point } from './values.js';

// Alias, value, and time if it has its own. Not an object: an alias such as "constructor" is a name like any other.
const value = z.tuple([z.string(), z.string()], z.number());

const source = z.object({
  connector: connectorName.exactOptional(),
  protocol: z.enum(['https', 'mqtt', 'coap']).exactOptional(),
  address: z.string().exactOptional(),
  actor: z.string().exactOptional(),
});

const storedWrite = z.object({
  kind: z.enum(['reported', 'recorded', 'desired', 'forgotten', 'removed']),
  /** Of `removed`: aliases that have no value any more, unless it is later than the time. */
  values: z.array(value),
  /** Values that the schema of the device does not know. They are told, and are no present values. */
  unlisted: z.array(value).exactOptional(),
  source,
});

/** One item of the series of a device. Its id is the time of the write. A value without a time has that one. */
export type StoredWrite = z.infer<typeof storedWrite>;
export type StoredValue = z.infer<typeof value>;

export function parseStoredWrite(json: JsonValue): StoredWrite {
  return storedWrite.parse(json);
}

/** The size of a write as JSON. @throws Problem `too-large` */
export function sizeOf(write: StoredWrite): number {
  // Most writes are small. A character is at most six bytes of JSON, so their size needs no counting.
  let characters = 100;
  for (const [alias, text] of write.values) characters += alias.length + text.length + 30;
  for (const [alias, text] of write.unlisted ?? []) characters += alias.length + text.length + 30;
  if (characters * 6 <= twinLimits.writeBytes) return characters;
  const bytes = Buffer.byteLength(JSON.stringify(write));
  if (bytes <= twinLimits.writeBytes) return bytes;
  throw tooLarge(`The write has ${bytes} bytes as JSON; the limit is ${twinLimits.writeBytes}. Send several writes.`);
}

/** The write as it is told outside; undefined for what is no write of values. */
export function deviceWriteFrom(deviceId: string, atMicros: Micros, stored: StoredWrite): DeviceWrite | undefined {
  if (stored.kind === 'forgotten' || stored.kind === 'removed') return undefined;
  const points = [...stored.values, ...(stored.unlisted ?? [])].map((value) => pointFrom(value, atMicros));
  return { deviceId, kind: stored.kind, atMicros, points, source: stored.source };
}

export function pointFrom([alias, text, at]: StoredValue, writtenAt: Micros): Point {
  return { alias, value: text, atMicros: at ?? writtenAt };
}

const announcedWrites = z.object({
  by: z.string(),
  writes: z.array(z.tuple([z.string(), z.number(), storedWrite])),
});

/** What one commit tells other processes, and the receiver of events: device, time and write of each. */
export type AnnouncedWrites = z.infer<typeof announcedWrites>;

export function parseAnnouncedWrites(json: JsonValue): AnnouncedWrites {
  return announcedWrites.parse(json);
}
