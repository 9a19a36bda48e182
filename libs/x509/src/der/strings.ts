import { TextDecoder } from 'node:util';
import type { DerReader } from './reader.js';
import { tags } from './tags.js';

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const strictUtf16 = new TextDecoder('utf-16be', { fatal: true, ignoreBOM: true });

/**
 * Reads any of the string types of X.509. It reads PrintableString as ASCII. This type forbids `@`, `*` and `_`, but
 * many certificates contain them, and they do no harm to readers. The linter reports them.
 *
 * @returns undefined when the next element is not a string. The element is then not consumed.
 */
export function readString(reader: DerReader): string | undefined {
  const tag = reader.nextTag;
  switch (tag) {
    case tags.utf8String:
      return decoded(strictUtf8, reader, tag);
    case tags.printableString:
    case tags.ia5String:
    case tags.numericString:
    case tags.visibleString:
      return readAscii(reader, tag);
    case tags.t61String:
      // In practice this is always Latin-1. Nobody used the real T.61 character set.
      return reader.readContent(tag).toString('latin1');
    case tags.bmpString:
      return decoded(strictUtf16, reader, tag);
    case tags.universalString:
      return readUtf32(reader);
    default:
      return undefined;
  }
}

/** Reads an element of ASCII characters, whatever its tag. */
export function readAscii(reader: DerReader, tag: number): string {
  const content = reader.readContent(tag);
  if (!isAscii(content)) reader.refuse('holds a character outside ASCII', 'with ASCII characters alone there');
  return content.toString('latin1');
}

function isAscii(content: Buffer): boolean {
  for (const octet of content) if (octet > 0x7f) return false;
  return true;
}

function decoded(decoder: TextDecoder, reader: DerReader, tag: number): string {
  const content = reader.readContent(tag);
  // Nearly every UTF8String is ASCII, and TextDecoder costs more than the rest of the parsing.
  if (tag === tags.utf8String && isAscii(content)) return content.toString('latin1');
  try {
    return decoder.decode(content);
  } catch {
    return refuseText(reader);
  }
}

function readUtf32(reader: DerReader): string {
  const content = reader.readContent(tags.universalString);
  if (content.length % 4 !== 0) refuseText(reader);
  let text = '';
  for (let offset = 0; offset < content.length; offset += 4) {
    const codePoint = content.readUInt32BE(offset);
    if (codePoint > 0x10_ffff || (codePoint >= 0xd800 && codePoint < 0xe000)) refuseText(reader);
    text += String.fromCodePoint(codePoint);
  }
  return text;
}

function refuseText(reader: DerReader): never {
  return reader.refuse('holds text that is not valid in its encoding', 'with text in the encoding its tag names');
}
