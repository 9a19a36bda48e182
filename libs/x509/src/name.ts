import { Problem } from '@sallyport/protocol';
import { oid, readOid } from './der/oid.js';
import type { DerReader } from './der/reader.js';
import { readString } from './der/strings.js';
import { tags } from './der/tags.js';
import { asciiString, sequence, setOf, utf8String } from './der/writer.js';
import { oids } from './oids.js';

/** One attribute of a distinguished name. */
export interface NameAttribute {
  /** Dotted object identifier. */
  readonly oid: string;
  /** Short name such as `CN`; the dotted object identifier when there is none. */
  readonly name: string;
  /** The text; `#` and the DER in hexadecimal when the value is not a string (RFC 4514 §2.4). */
  readonly value: string;
}

/** A distinguished name (RFC 5280 §4.1.2.4). */
export interface Name {
  /** The whole SEQUENCE, byte for byte. */
  readonly der: Buffer;
  /** Values of every CN, in the order of the encoding. Our leaves have exactly one. */
  readonly commonNames: readonly string[];
  /** In the order of the encoding. */
  readonly attributes: readonly NameAttribute[];
  /**
   * RFC 4514: last RDN first, special characters escaped. Control characters are escaped too, so it is safe in a log.
   */
  readonly text: string;
  /** The same in the order of the encoding, separated by comma and space, as thin-edge.io and OpenSSL print it. */
  readonly textInOrder: string;
}

/** The table of RFC 4514 §3, and the names that OpenSSL prints for other attributes. */
const shortNames: ReadonlyMap<string, string> = new Map([
  [oids.commonName, 'CN'],
  [oids.countryName, 'C'],
  [oids.domainComponent, 'DC'],
  [oids.dnQualifier, 'dnQualifier'],
  [oids.emailAddress, 'emailAddress'],
  [oids.givenName, 'GN'],
  [oids.localityName, 'L'],
  [oids.organizationName, 'O'],
  [oids.organizationalUnitName, 'OU'],
  [oids.serialNumber, 'serialNumber'],
  [oids.stateOrProvinceName, 'ST'],
  [oids.streetAddress, 'STREET'],
  [oids.surname, 'SN'],
  [oids.title, 'title'],
  [oids.userId, 'UID'],
]);

/** Reads a Name. An RDN without attributes is refused (X.501 §9.3). */
export function readName(reader: DerReader): Name {
  const start = reader.position;
  const attributes: NameAttribute[] = [];
  const rdns: string[] = [];
  reader.enter(tags.sequence);
  while (!reader.isAtEnd) rdns.push(readRdn(reader, attributes));
  reader.leave();
  return {
    der: reader.since(start),
    commonNames: attributes.filter((attribute) => attribute.oid === oids.commonName).map(({ value }) => value),
    attributes,
    text: rdns.toReversed().join(','),
    textInOrder: rdns.join(', '),
  };
}

function readRdn(reader: DerReader, attributes: NameAttribute[]): string {
  reader.enter(tags.set);
  if (reader.isAtEnd)
    reader.refuse('is missing: a relative name needs an attribute', 'with an attribute in each part of its names');
  let text = '';
  while (!reader.isAtEnd) {
    const attribute = readAttribute(reader);
    attributes.push(attribute);
    text += `${text === '' ? '' : '+'}${attribute.name}=${escapeValue(attribute.value)}`;
  }
  reader.leave();
  return text;
}

function readAttribute(reader: DerReader): NameAttribute {
  reader.enter(tags.sequence);
  const type = readOid(reader);
  const value = readString(reader) ?? `#${reader.readElement().toString('hex')}`;
  reader.leave();
  return { oid: type, name: shortNames.get(type) ?? type, value };
}

const plainValue = /^(?![ #])[^"+,;<>\\\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*(?<! )$/u;
const specialCharacter = /["+,;<>\\]/;
const invisibleCharacter = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

/**
 * RFC 4514 §2.4. Format characters (bidi, zero width) are escaped like controls, because they change what a reader
 * sees.
 */
function escapeValue(value: string): string {
  if (plainValue.test(value)) return value;
  const characters = [...value];
  return characters
    .map((character, index) => {
      const isEdge = index === 0 || index === characters.length - 1;
      if (invisibleCharacter.test(character)) return Buffer.from(character).toString('hex').replace(/../g, '\\$&');
      const isEscaped =
        specialCharacter.test(character) || (character === ' ' && isEdge) || (character === '#' && index === 0);
      return isEscaped ? `\\${character}` : character;
    })
    .join('');
}

/** Whether two names are equal, compared like OpenSSL: case and repeated spaces do not count. */
export function isSameName(one: Name, other: Name): boolean {
  return one.der.equals(other.der) || nameKey(one) === nameKey(other);
}

/** The same text for equal names: case and repeated spaces do not count (RFC 5280 §7.1). */
export function nameKey(name: Name): string {
  const known = knownKeys.get(name);
  if (known !== undefined) return known;
  const attributes = name.attributes.map(
    ({ oid, value }) => `${oid}=${value.trim().replace(/\s+/g, ' ').toLowerCase()}`,
  );
  const key = attributes.join('\n');
  knownKeys.set(name, key);
  return key;
}

/** Cached, because the name of a CA is compared with each certificate that it issued. */
const knownKeys = new WeakMap<Name, string>();

/** The attributes that our subjects may have, in the order of encoding. */
export interface SubjectFields {
  readonly organization?: string | undefined;
  readonly organizationalUnit?: string | undefined;
  readonly commonName: string;
}

/** X.520 upper bounds, in characters. */
const maximumCharacters = 64;

/**
 * Encodes a subject as UTF8String, with one attribute in each RDN.
 *
 * @throws Problem `invalid-request`: a value is empty, longer than 64 characters, not NFC, has spaces around it or holds
 *   a control character.
 */
export function encodeSubject({ organization, organizationalUnit, commonName }: SubjectFields): Buffer {
  const rdns: Buffer[] = [];
  if (organization !== undefined) rdns.push(rdn(oids.organizationName, organization));
  if (organizationalUnit !== undefined) rdns.push(rdn(oids.organizationalUnitName, organizationalUnit));
  rdns.push(rdn(oids.commonName, commonName));
  return sequence(...rdns);
}

/** The subject of a request or self-signed certificate of a device: a new one, or the bytes of an existing one. */
export type DeviceSubject = SubjectFields | { readonly subject: Name };

/**
 * Encodes the subject of a device with the common name first. thin-edge.io and its clouds use this order.
 *
 * @throws Problem `invalid-request` as `encodeSubject`
 */
export function encodeDeviceSubject(options: DeviceSubject): Buffer {
  if ('subject' in options) return options.subject.der;
  const { organization, organizationalUnit, commonName } = options;
  const rdns = [rdn(oids.commonName, commonName)];
  if (organization !== undefined) rdns.push(rdn(oids.organizationName, organization));
  if (organizationalUnit !== undefined) rdns.push(rdn(oids.organizationalUnitName, organizationalUnit));
  return sequence(...rdns);
}

function rdn(type: string, value: string): Buffer {
  const fault = attributeFault(type, value);
  if (fault !== undefined)
    throw new Problem('invalid-request', `The ${shortNames.get(type) ?? type} "${escapeValue(value)}" ${fault}.`);
  return setOf(sequence(oid(type), attributeValue(type, value)));
}

function attributeValue(type: string, value: string): Buffer {
  const isPrintable = type === oids.countryName || type === oids.serialNumber;
  return isPrintable ? asciiString(tags.printableString, value) : utf8String(value);
}

/** The error in the value of an attribute, as the end of a sentence; undefined when it is correct. */
export function attributeFault(type: string, value: string): string | undefined {
  if (value === '') return 'is empty';
  if (type === oids.countryName && !/^[A-Z]{2}$/.test(value)) return 'is not a country code of 2 letters';
  if (value.length > maximumCharacters && [...value].length > maximumCharacters)
    return `is longer than ${maximumCharacters} characters`;
  if (value.trim() !== value) return 'begins or ends with a space';
  if (invisibleCharacter.test(value)) return 'holds a control character';
  return value.normalize('NFC') === value ? undefined : 'is not in Unicode normal form C';
}
