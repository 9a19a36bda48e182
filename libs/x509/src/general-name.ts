import { isIPv6 } from 'node:net';
import { Problem } from '@sallyport/protocol';
import { readOid } from './der/oid.js';
import type { DerReader } from './der/reader.js';
import { readAscii } from './der/strings.js';
import { contextConstructed, contextPrimitive, tags } from './der/tags.js';
import { asciiString, sequence, tlv } from './der/writer.js';
import { readName } from './name.js';

/** One alternative name of a subject (RFC 5280 §4.2.1.6). */
export interface SubjectAltName {
  readonly type: 'dns' | 'ip' | 'uri' | 'email' | 'other';
  /**
   * Text of the name. An IPv6 address has the form of RFC 5952. For `other` it is the kind, which cannot be encoded
   * again.
   */
  readonly value: string;
}

const generalNameTags = {
  otherName: contextConstructed(0),
  email: contextPrimitive(1),
  dns: contextPrimitive(2),
  directoryName: contextConstructed(4),
  uri: contextPrimitive(6),
  ip: contextPrimitive(7),
} as const;

/** Reads GeneralNames: a SEQUENCE of at least one name. */
export function readGeneralNames(reader: DerReader): SubjectAltName[] {
  const names: SubjectAltName[] = [];
  reader.enter(tags.sequence);
  do names.push(readGeneralName(reader));
  while (!reader.isAtEnd);
  reader.leave();
  return names;
}

/** Reads one GeneralName. */
export function readGeneralName(reader: DerReader): SubjectAltName {
  const tag = reader.nextTag;
  switch (tag) {
    case generalNameTags.dns:
      return { type: 'dns', value: readVisible(reader, tag) };
    case generalNameTags.uri:
      return { type: 'uri', value: readVisible(reader, tag) };
    case generalNameTags.email:
      return { type: 'email', value: readVisible(reader, tag) };
    case generalNameTags.ip:
      return { type: 'ip', value: readAddress(reader) };
    case generalNameTags.otherName:
      return { type: 'other', value: readOtherName(reader) };
    case generalNameTags.directoryName:
      return { type: 'other', value: readDirectoryName(reader) };
    default:
      return { type: 'other', value: `#${reader.readElement().toString('hex')}` };
  }
}

/**
 * No name needs a control character. For C programs a NUL ends the name. The others can forge lines in logs and
 * terminals.
 */
function readVisible(reader: DerReader, tag: number): string {
  const text = readAscii(reader, tag);
  return /^[\x20-\x7e]*$/.test(text)
    ? text
    : reader.refuse('holds a control character', 'without control characters in its names');
}

function readOtherName(reader: DerReader): string {
  reader.enter(generalNameTags.otherName);
  const type = readOid(reader);
  reader.skip(contextConstructed(0));
  reader.leave();
  return `otherName:${type}`;
}

function readDirectoryName(reader: DerReader): string {
  reader.enter(generalNameTags.directoryName);
  const name = readName(reader);
  reader.leave();
  return `directoryName:${name.text}`;
}

function readAddress(reader: DerReader): string {
  const octets = reader.readContent(generalNameTags.ip);
  if (octets.length === 4) return octets.join('.');
  return octets.length === 16
    ? ipv6Text(octets)
    : reader.refuse('is an IP address of neither 4 nor 16 octets', 'with an address of 4 or 16 octets there');
}

/** RFC 5952 §4: lower case, no leading zeros, the longest run of zero groups (the first of several) becomes `::`. */
function ipv6Text(octets: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => octets.readUInt16BE(index * 2).toString(16));
  const runs = [...groups.join(':').matchAll(/\b0(?::0)+\b/g)].map(([run]) => run);
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), '');
  if (longest === '') return groups.join(':');
  return groups.join(':').replace(new RegExp(`(?:^|:)\\b${longest}\\b(?::|$)`), '::');
}

/**
 * Encodes GeneralNames in the order given.
 *
 * @throws Problem `invalid-request`: a name of type `other`, an address that is not one, or text outside ASCII.
 */
export function encodeGeneralNames(names: readonly SubjectAltName[]): Buffer {
  return sequence(...names.map(encodeGeneralName));
}

function encodeGeneralName({ type, value }: SubjectAltName): Buffer {
  if (type === 'ip') return tlv(generalNameTags.ip, addressOctets(value));
  if (type === 'other') throw new Problem('invalid-request', `The name "${value}" is of a type that is not issued.`);
  return uriOrHost(generalNameTags[type], value);
}

/** A GeneralName that is a URI, as in distribution points and access descriptions. */
export function encodeUri(uri: string): Buffer {
  return uriOrHost(generalNameTags.uri, uri);
}

function uriOrHost(tag: number, value: string): Buffer {
  if (!/^[\x21-\x7e]+$/.test(value))
    throw new Problem(
      'invalid-request',
      `The name ${JSON.stringify(value)} is empty or holds spaces or characters outside ASCII.`,
    );
  return asciiString(tag, value);
}

/**
 * Converts the text of an address to 4 or 16 octets.
 *
 * @throws Problem `invalid-request`: not an IPv4 or IPv6 address.
 */
export function addressOctets(text: string): Buffer {
  const quad = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (quad?.every((octet) => octet < 256)) return Buffer.from(quad);
  if (!isIPv6(text) || /[.%]/.test(text))
    throw new Problem('invalid-request', `"${text}" is not an IP address: write it as 192.0.2.1 or 2001:db8::1.`);
  const [head = '', tail] = text.split('::');
  const leading = hextets(head);
  const trailing = hextets(tail ?? '');
  const octets = Buffer.alloc(16);
  for (const [index, group] of leading.entries()) octets.writeUInt16BE(group, index * 2);
  for (const [index, group] of trailing.entries()) octets.writeUInt16BE(group, 16 - (trailing.length - index) * 2);
  return octets;
}

function hextets(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}
