import type { Decoded, DecodedCertificate, DecodedItem } from '@sallyport/protocol';
import { findingLines } from '../connector/draft.js';
import { labelledLines } from '../output.js';

const roles: Readonly<Record<DecodedCertificate['role'], string>> = {
  'root-ca': 'root CA',
  'intermediate-ca': 'intermediate CA',
  'self-signed': 'self-signed certificate',
  leaf: 'certificate of a device or a server',
};

/** What was pasted, for people: what each part says, what is to be known about it, and whether it can be added. */
export function decodedLines({ items, findings, fitsClientCa }: Decoded): string[] {
  const said = new Set(items.map((item) => (item.kind === 'certificate' ? undefined : item.text)));
  const others = findings.filter(({ text }) => !said.has(text));
  return [
    ...items.flatMap((item, index) => [...(index === 0 ? [] : ['']), ...itemLines(item)]),
    ...(others.length === 0 ? [] : ['', ...findingLines(others)]),
    '',
    fitsClientCa ? 'It can be added as a Client CA.' : 'It cannot be added as a Client CA.',
  ];
}

function itemLines(item: DecodedItem): string[] {
  if (item.kind !== 'certificate') return [item.text];
  const { subjectAltNames, keyUsages, extendedKeyUsages, pathLength, authority } = item;
  return labelledLines([
    ['Certificate', `${roles[item.role]}, X.509 v${item.version}`],
    ['Subject', item.subject],
    ...(item.subject === item.issuer ? [] : ([['Issuer', item.issuer]] as const)),
    ['Valid', `${item.notBefore} to ${item.notAfter} (${item.status.replaceAll('-', ' ')})`],
    ['Key', `${item.key}, signed with ${item.signatureAlgorithm}`],
    ['Serial number', item.serialNumber],
    ...optionalField('Names', subjectAltNames),
    ...optionalField('Key usage', keyUsages),
    ...optionalField('Purposes', extendedKeyUsages),
    ...(pathLength === undefined ? [] : ([['Path length', String(pathLength)]] as const)),
    ['SHA-256', item.fingerprint],
    ...(authority === undefined ? [] : ([['Client CA', authority]] as const)),
  ]);
}

function optionalField(label: string, values: readonly string[]): (readonly [string, string])[] {
  return values.length === 0 ? [] : [[label, values.join(', ')]];
}
