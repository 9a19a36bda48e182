import { oids } from '../oids.js';
import type { DerReader } from './reader.js';
import { tags } from './tags.js';
import { tlv } from './writer.js';

/** No registered arc needs more. It is enough for the 128-bit arcs below 2.25 (X.667). */
const maximumOctets = 64;

/** Reads an OBJECT IDENTIFIER and returns its dotted form. */
export function readOid(reader: DerReader): string {
  const content = reader.readContent(tags.oid);
  return knownOids.get(content.toString('latin1')) ?? decodeOid(content, reader);
}

/** The DER element of a dotted object identifier, including the header. */
export function oid(dotted: string): Buffer {
  return encodedOids.get(dotted) ?? tlv(tags.oid, oidContent(dotted));
}

/** X.690 §8.19: the first two arcs share one subidentifier; each is base 128, most significant first. */
function oidContent(dotted: string): Buffer {
  const [first = 0n, second = 0n, ...rest] = dotted.split('.').map(BigInt);
  return Buffer.concat([first * 40n + second, ...rest].map(subidentifier));
}

function subidentifier(arc: bigint): Buffer {
  const octets = [Number(arc & 0x7fn)];
  for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) octets.unshift(Number(rest & 0x7fn) | 0x80);
  return Buffer.from(octets);
}

function decodeOid(content: Buffer, reader: DerReader): string {
  if (content.length === 0 || content.length > maximumOctets)
    reader.refuse('is an object identifier of a wrong length', `with one of 1 to ${maximumOctets} octets there`);
  const arcs: bigint[] = [];
  let arc = 0n;
  let isInside = false;
  for (const octet of content) {
    // X.690 §8.19.2: the fewest octets, so no subidentifier begins with 0x80.
    if (!isInside && octet === 0x80) reader.fail('is an object identifier that is not in its shortest form');
    arc = (arc << 7n) | BigInt(octet & 0x7f);
    isInside = octet >= 0x80;
    if (isInside) continue;
    arcs.push(arc);
    arc = 0n;
  }
  if (isInside) reader.fail('is an object identifier that ends early');
  return dottedFrom(arcs);
}

function dottedFrom([head = 0n, ...rest]: readonly bigint[]): string {
  const first = head < 80n ? head / 40n : 2n;
  return [first, head - first * 40n, ...rest].join('.');
}

/** Every certificate has the same few identifiers. So we look up the known ones, in both directions. */
const encodedOids: ReadonlyMap<string, Buffer> = new Map(
  Object.values(oids).map((dotted) => [dotted, tlv(tags.oid, oidContent(dotted))]),
);
const knownOids: ReadonlyMap<string, string> = new Map(
  Object.values(oids).map((dotted) => [oidContent(dotted).toString('latin1'), dotted]),
);
