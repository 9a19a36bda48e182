import { Problem } from '@sallyport/protocol';
import { batchAt, hasBatchBehind } from './batch-frame.js';

const magic = Buffer.from('SPORTJNL', 'latin1');
const formatVersion = 1;
const versionAt = magic.length;
const numberAt = versionAt + 4;
const saltAt = numberAt + 4;

/** Magic (8), version of the format (4), number of the segment (4), salt of its batches (4). */
export const segmentHeaderBytes = saltAt + 4;

const nameForm = /^(\d{10})\.journal$/;
const setAsideForm = /^(\d{10})\.damaged$/;

export function segmentName(number: number): string {
  return `${String(number).padStart(10, '0')}.journal`;
}

/** @param salt 32 random bits; see `sealBatch` */
export function segmentHeader(number: number, salt: number): Buffer {
  const header = Buffer.alloc(segmentHeaderBytes);
  magic.copy(header);
  header.writeUInt32BE(formatVersion, versionAt);
  header.writeUInt32BE(number, numberAt);
  header.writeUInt32BE(salt, saltAt);
  return header;
}

/** The salt of a segment; undefined when its header was not finished. */
export function saltOf(segment: Buffer): number | undefined {
  return segment.length < segmentHeaderBytes ? undefined : segment.readUInt32BE(saltAt);
}

/** The segments of a journal, oldest first, and those that an operator has set aside. */
export interface SegmentList {
  readonly numbers: readonly number[];
  readonly setAside: readonly number[];
}

/**
 * @param names of the files in the folder; others than segments are left alone
 * @throws Problem `unavailable`: a segment in the middle is missing
 */
export function listSegments(names: readonly string[]): SegmentList {
  const numbers = numbersIn(names, nameForm);
  const setAside = numbersIn(names, setAsideForm);
  const [first = 0] = numbers;
  const present = new Set([...numbers, ...setAside]);
  for (let number = first; number < (numbers.at(-1) ?? 0); number += 1)
    if (!present.has(number)) throw unusable(number, 'is missing', 'Put it back from a backup');
  return { numbers, setAside };
}

/** What was read of a segment. */
export interface ReadSegment {
  /** Bytes up to the end of the last whole batch. */
  readonly end: number;
  /** Bytes behind that, which a crash left unfinished and nobody was told were kept. */
  readonly torn: number;
  readonly lastBatch: number;
}

export interface SegmentReading {
  readonly number: number;
  /** The last batch of the segment before; undefined when there is none, or it was set aside. */
  readonly after: number | undefined;
  /** Only the newest segment may end in an unfinished batch. */
  readonly isNewest: boolean;
  readonly onBatch: (records: Buffer) => void;
}

/**
 * Passes on each batch of a segment.
 *
 * @throws Problem `unavailable`: it is damaged, of a newer version, or no segment; nothing was changed on disk
 */
export function readSegment(bytes: Buffer, { number, after, isNewest, onBatch }: SegmentReading): ReadSegment {
  // A crash while a segment was made leaves less than its header.
  if (isNewest && isUnfinishedHeader(bytes, number)) return { end: 0, torn: bytes.length, lastBatch: after ?? 0 };
  checkHeader(bytes, number);
  const salt = bytes.readUInt32BE(saltAt);
  let lastBatch = after;
  for (let at = segmentHeaderBytes; ; ) {
    const found = batchAt(bytes, at, salt);
    if (found.kind === 'end') return { end: at, torn: 0, lastBatch: lastBatch ?? 0 };
    if (found.kind === 'damaged') {
      if (!isNewest || hasBatchBehind(bytes, at, salt))
        throw unusable(number, `is damaged at byte ${at}`, setAsideRemedy);
      return { end: at, torn: bytes.length - at, lastBatch: lastBatch ?? 0 };
    }
    if (lastBatch !== undefined && found.batch !== lastBatch + 1)
      throw unusable(number, `goes on with batch ${found.batch} after batch ${lastBatch}`, setAsideRemedy);
    onBatch(found.records);
    lastBatch = found.batch;
    at = found.end;
  }
}

function isUnfinishedHeader(bytes: Buffer, number: number): boolean {
  const known = segmentHeader(number, 0).subarray(0, saltAt);
  return bytes.length < segmentHeaderBytes && known.indexOf(bytes.subarray(0, saltAt)) === 0;
}

function checkHeader(bytes: Buffer, number: number): void {
  if (bytes.length < segmentHeaderBytes || !bytes.subarray(0, magic.length).equals(magic))
    throw unusable(number, 'was not written by this broker', setAsideRemedy);
  const version = bytes.readUInt32BE(versionAt);
  if (version > formatVersion)
    throw unusable(number, `has format ${version}; this release knows ${formatVersion}`, 'Start the newer release');
  if (version < 1 || bytes.readUInt32BE(numberAt) !== number)
    throw unusable(number, 'has a damaged header', setAsideRemedy);
}

const setAsideRemedy =
  'Put it back from a backup. To go on without the messages in it, change the ending of its name to ".damaged"';

function unusable(number: number, what: string, remedy: string): Problem {
  return new Problem(
    'unavailable',
    `The MQTT broker cannot start: its journal file ${segmentName(number)} ${what}. ${remedy}.`,
  );
}

function numbersIn(names: readonly string[], form: RegExp): number[] {
  return names
    .flatMap((name) => form.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((one, other) => one - other);
}
