import {
  type ClientCa,
  type DeviceId,
  deviceId,
  type IdentityFormat,
  type IdentityNaming,
  Problem,
  printable,
} from '@sallyport/protocol';
import { type Certificate, constraintVerdict } from '@sallyport/x509';
import { formatIdentity } from './identity-format.js';
import { parseNamingPattern } from './naming-pattern.js';

/** Why a certificate gives no identity. */
export type IdentityFault =
  | 'name-missing'
  | 'name-ambiguous'
  | 'name-invalid'
  | 'name-constrained'
  | 'identity-format'
  | 'identity-outside-namespace';

/** The identity of a device; or the reason code, and a sentence with the values. */
export type NamedDevice =
  | { readonly identity: DeviceId; readonly fault?: never }
  | { readonly fault: IdentityFault; readonly text: string; readonly identity?: never };

/** What decides about an identity: the rules of the Client CA, and the format of the connector. */
export interface IdentityRules {
  readonly clientCa: Pick<ClientCa, 'naming' | 'namespace'>;
  readonly format: IdentityFormat;
}

/** Certificates with such a CN prove that a CA is held. Nobody gets in with one, under any naming. */
export const proofNamePrefix = '_sallyport-proof-';

// Narrower than a device id of this site: these names come from other CAs, and stand in topics, paths and CSV files.
const plainIdentity = /^[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}$/;

/**
 * The identity of a device, from its certificate. Nothing else in the certificate names it: neither issuer nor serial
 * number.
 *
 * @param leaf its chain was verified up to a certificate of the Client CA
 */
export function identityOf(leaf: Certificate, { clientCa, format }: IdentityRules): NamedDevice {
  const [commonName] = leaf.subject.commonNames;
  if (commonName?.startsWith(proofNamePrefix) === true)
    return {
      fault: 'name-invalid',
      text: 'The certificate is a proof that a CA is held, and no certificate of a device.',
    };
  const named = rawIdentity(leaf, clientCa.naming);
  if ('fault' in named) return named;
  return checkIdentity(named.raw, { clientCa, format });
}

/** Checks an identity that came by another way than a certificate, by the same rules. */
export function checkIdentity(raw: string, { clientCa, format }: IdentityRules): NamedDevice {
  if (!plainIdentity.test(raw) || raw.includes('..'))
    return {
      fault: 'name-invalid',
      text: `The name "${printable(raw)}" is no identity: 1 to 64 letters, digits or . _ : @ -, the first a letter or digit, no "..".`,
    };
  const formatted = formatIdentity(raw, format);
  if ('fault' in formatted) return { fault: 'identity-format', text: formatted.fault };
  const namespace = clientCa.namespace ?? '';
  if (!formatted.identity.startsWith(namespace))
    return {
      fault: 'identity-outside-namespace',
      text: `The identity "${formatted.identity}" does not begin with "${namespace}", as every identity of this Client CA must.`,
    };
  return { identity: deviceId.parse(formatted.identity) };
}

/** Whether the name constraints of the CAs above a leaf permit its identity. */
export function constraintFault(identity: DeviceId, authorities: readonly Certificate[]): NamedDevice | undefined {
  const forbidding = authorities.find((authority) => constraintVerdict(authority, identity) === 'forbidden');
  if (forbidding === undefined) return undefined;
  const text = `The name constraints of ${printable(forbidding.subject.text)} forbid the identity "${identity}".`;
  return { fault: 'name-constrained', text };
}

/**
 * Checks the rules of naming before anything depends on them.
 *
 * @throws Problem `invalid-request`: a pattern or template that names nothing
 */
export function checkNaming(naming: IdentityNaming): void {
  if (naming.by === 'regex') parseNamingPattern(naming.pattern);
  if (naming.by === 'template') checkTemplate(naming.template);
}

type RawIdentity = { readonly raw: string } | Extract<NamedDevice, { readonly fault: IdentityFault }>;

function rawIdentity(leaf: Certificate, naming: IdentityNaming): RawIdentity {
  switch (naming.by) {
    case 'cn':
      return onlyValue(leaf, 'cn');
    case 'template':
      return fromTemplate(leaf, naming.template);
    case 'regex':
      return fromPattern(leaf, naming.pattern);
    default:
      return naming satisfies never;
  }
}

function fromPattern(leaf: Certificate, pattern: string): RawIdentity {
  const name = onlyValue(leaf, 'cn');
  if ('fault' in name) return name;
  const captured = parseNamingPattern(pattern).capture(name.raw);
  if (captured !== undefined) return { raw: captured };
  return {
    fault: 'name-invalid',
    text: `The CN "${printable(name.raw)}" does not fit the pattern ${pattern} of its Client CA.`,
  };
}

/** Each field of a template, and where its values are in a certificate. */
const fields = {
  cn: ({ subject }: Certificate) => subject.commonNames,
  o: (leaf: Certificate) => attributesOf(leaf, 'O'),
  ou: (leaf: Certificate) => attributesOf(leaf, 'OU'),
  serialNumber: (leaf: Certificate) => attributesOf(leaf, 'serialNumber'),
  dns: ({ subjectAltNames }: Certificate) =>
    subjectAltNames.filter(({ type }) => type === 'dns').map(({ value }) => value),
} as const;

type Field = keyof typeof fields;

function attributesOf({ subject }: Certificate, wanted: string): string[] {
  return subject.attributes.filter(({ name }) => name === wanted).map(({ value }) => value);
}

/** X.509 allows several values. A second one would be a second identity, so it is refused. */
function onlyValue(leaf: Certificate, field: Field): RawIdentity {
  const [value, ...others] = fields[field](leaf);
  const name = field === 'cn' ? 'common name (CN)' : `"${field}"`;
  if (value === undefined) return { fault: 'name-missing', text: `The certificate has no ${name}.` };
  if (others.length === 0) return { raw: value };
  return {
    fault: 'name-ambiguous',
    text: `The certificate has ${others.length + 1} values of ${name}; one is needed.`,
  };
}

const placeholder = /\{([A-Za-z]*)\}/g;

function fromTemplate(leaf: Certificate, template: string): RawIdentity {
  const values = new Map<string, string>();
  for (const field of fieldsIn(template)) {
    const value = onlyValue(leaf, field);
    if ('fault' in value) return value;
    values.set(field, value.raw);
  }
  return { raw: template.replaceAll(placeholder, (_, field: string) => values.get(field) ?? '') };
}

function fieldsIn(template: string): Field[] {
  return [...template.matchAll(placeholder)].flatMap(([, name = '']) => (isField(name) ? [name] : []));
}

function isField(name: string): name is Field {
  return Object.hasOwn(fields, name);
}

function checkTemplate(template: string): void {
  const names = [...template.matchAll(placeholder)].map(([, name = '']) => name);
  const unknown = names.find((name) => !isField(name));
  const possible = Object.keys(fields)
    .map((field) => `{${field}}`)
    .join(', ');
  if (unknown !== undefined)
    throw new Problem('invalid-request', `The template "${template}" asks for "{${unknown}}". There are: ${possible}.`);
  const own = names.some((name) => name === 'cn' || name === 'serialNumber' || name === 'dns');
  if (!own)
    throw new Problem(
      'invalid-request',
      `With the template "${template}" all devices would have one identity. Use {cn}, {serialNumber} or {dns} in it.`,
    );
  if (/[{}]/.test(template.replaceAll(placeholder, '')))
    throw new Problem(
      'invalid-request',
      `The template "${template}" has a brace that belongs to nothing. There are: ${possible}.`,
    );
}
