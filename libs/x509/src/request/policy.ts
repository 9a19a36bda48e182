import { type DeviceId, Problem } from '@sallyport/protocol';
import { altNameFault } from '../alt-name-rules.js';
import { repeatedExtension } from '../extensions.js';
import type { SubjectAltName } from '../general-name.js';
import { identityUri } from '../identity.js';
import type { AcceptedKey, CertificateProfile } from '../issuance/profiles.js';
import { oids } from '../oids.js';
import { type KeyDescription, keyText } from '../public-key.js';
import { type CertificateRequest, requireGood } from './certificate-request.js';
import { keyFault } from './key-quality.js';

/** Whom a request was authenticated as, and what the site lets that party be called. */
export interface LeafIdentity {
  readonly deviceId: DeviceId;
  /** Of the identity URI; `sallyport.local` when absent. */
  readonly trustDomain?: string | undefined;
  /** DNS names and addresses a profile with `hosts: 'any'` may give out, in lower case; absent: every well-formed one. */
  readonly permittedHosts?: readonly string[] | undefined;
}

/**
 * Holds a request against a profile and the identity it was authenticated as. Possession of the key is checked apart.
 *
 * @throws Problem `csr-rejected` (400): the key or a name is unfit; a new CSR can be right.
 * @throws Problem `csr-forbidden` (403): it asks for what this party does not get: another name, a CA certificate,
 *   extensions that are not its to choose. `extensions.code` names the rule.
 */
export function checkCertificateRequest(
  request: CertificateRequest,
  profile: CertificateProfile,
  identity: LeafIdentity,
): void {
  requireGood(request, keyFault(request.spki) ?? unacceptedKey(request.key, profile));
  checkSubject(request, identity);
  checkExtensions(request);
  checkNames(request, profile, identity);
}

/**
 * The alternative names a leaf gets: its identity URI, then the DNS names (in lower case) and addresses the request asks
 * for, each once. Only for a request that `checkCertificateRequest` let pass.
 */
export function leafAltNames(
  request: CertificateRequest,
  profile: CertificateProfile,
  identity: LeafIdentity,
): SubjectAltName[] {
  const hosts = request.subjectAltNames.filter(({ type }) => type === 'dns' || type === 'ip').map(lowerCase);
  const isFirst = (host: SubjectAltName, index: number) =>
    hosts.findIndex(({ value }) => value === host.value) === index;
  return [identityOf(profile, identity), ...hosts.filter(isFirst)];
}

function identityOf(profile: CertificateProfile, { deviceId, trustDomain }: LeafIdentity): SubjectAltName {
  return identityUri({ kind: profile.kind === 'ca' ? 'service' : profile.kind, deviceId, trustDomain });
}

/** By the name `keyText` gives a key that `keyFault` let pass; RSA of any size is `RSA`. */
const acceptedKeys: ReadonlyMap<string, AcceptedKey> = new Map([
  ['EC P-256', 'P-256'],
  ['EC P-384', 'P-384'],
  ['Ed25519', 'Ed25519'],
]);

function isAcceptedKey(key: KeyDescription, { keys }: CertificateProfile): boolean {
  const kind = key.type === 'rsa' ? 'RSA' : acceptedKeys.get(keyText(key));
  return kind !== undefined && keys.includes(kind);
}

function unacceptedKey(key: KeyDescription, profile: CertificateProfile): string | undefined {
  if (isAcceptedKey(key, profile)) return undefined;
  return `has a key ${keyText(key)}, and profile "${profile.name}" takes ${profile.keys.join(', ')}`;
}

function rejected(reason: string): Problem {
  return new Problem('csr-rejected', `CSR rejected: ${reason}`);
}

function forbidden(code: string, reason: string): Problem {
  return new Problem('csr-forbidden', `CSR refused: it ${reason}.`, { extensions: { code } });
}

/** What the sender wrote, in so many characters that it does not fill the answer and the log. */
function shortened(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

/** The subject of the certificate is built by us; the request may only repeat the id it was authenticated as. */
function checkSubject({ subject }: CertificateRequest, { deviceId }: LeafIdentity): void {
  const [commonName, ...others] = subject.commonNames;
  if (others.length > 0) throw forbidden('common-names', `has ${others.length + 1} common names; send one or none`);
  if (commonName !== undefined && commonName !== deviceId)
    throw forbidden(
      'common-name',
      `has the subject ${shortened(subject.text)}, and you are ${deviceId}; send CN=${deviceId} or none`,
    );
}

/** RFC 5280 §4.2.1.12 purposes a TLS peer may have; which of them it gets is the profile's business. */
const tlsPurposes: ReadonlySet<string> = new Set(['clientAuth', 'serverAuth']);

/** Extensions a request has a say in, at least by what it may not ask for; a critical one must not be dropped in silence. */
const askedFor: ReadonlySet<string> = new Set([
  oids.subjectAltName,
  oids.keyUsage,
  oids.extendedKeyUsage,
  oids.basicConstraints,
]);

function checkExtensions(request: CertificateRequest): void {
  const { requestedExtensions, isCa, keyUsages = [], extendedKeyUsages = [] } = request;
  const repeated = repeatedExtension(requestedExtensions);
  if (repeated !== undefined)
    throw forbidden('extension-repeated', `asks for extension ${repeated} twice; ask for it once`);
  const spelledOut = requestedExtensions.find(({ encodesDefault }) => encodesDefault);
  if (spelledOut !== undefined)
    throw forbidden(
      'extension-encoding',
      `spells out that extension ${spelledOut.oid} is not critical, which DER forbids; leave the FALSE out`,
    );
  if (isCa)
    throw forbidden('ca-requested', 'asks for a CA certificate; ask for CA:FALSE, or leave basicConstraints out');
  const signing = keyUsages.find((usage) => usage === 'keyCertSign' || usage === 'cRLSign');
  if (signing !== undefined) throw forbidden('key-usage', `asks for the key usage ${signing}; leave it out`);
  const purpose = extendedKeyUsages.find((name) => !tlsPurposes.has(name));
  if (purpose !== undefined)
    throw forbidden('extended-key-usage', `asks for the purpose ${purpose}; ask for clientAuth or serverAuth alone`);
  const steering = requestedExtensions.find(({ oid }) => oid === oids.nameConstraints);
  if (steering !== undefined) throw forbidden('name-constraints', 'asks for name constraints; leave them out');
  const insistent = requestedExtensions.find(({ critical, oid }) => critical && !askedFor.has(oid));
  if (insistent !== undefined)
    throw forbidden(
      'extension-unknown',
      `asks for the critical extension ${insistent.oid}, which it will not get; leave it out`,
    );
}

/** Boulder's number; each name costs every peer that ever reads the certificate. */
const maximumNames = 100;

function checkNames(request: CertificateRequest, profile: CertificateProfile, identity: LeafIdentity): void {
  const { length } = request.subjectAltNames;
  if (length > maximumNames) throw rejected(`it asks for ${length} alternative names, the limit is ${maximumNames}.`);
  for (const name of request.subjectAltNames.map(lowerCase)) {
    const { type, value } = name;
    if (!isPermitted(name, profile, identity))
      throw forbidden(
        'alternative-name',
        `asks for the name ${type} "${shortened(value)}", which profile "${profile.name}" does not give to ${identity.deviceId}; leave it out`,
      );
    const fault = altNameFault(name, profile.names);
    if (fault !== undefined) throw rejected(`the name ${type} "${shortened(value)}" ${fault}.`);
  }
  if (profile.names.requiresHost && !request.subjectAltNames.some(({ type }) => type === 'dns' || type === 'ip'))
    throw rejected(`profile "${profile.name}" needs a DNS name or an IP address among the alternative names.`);
}

function isPermitted({ type, value }: SubjectAltName, profile: CertificateProfile, identity: LeafIdentity): boolean {
  if (type === 'uri') return value === identityOf(profile, identity).value;
  if (type !== 'dns' && type !== 'ip') return false;
  switch (profile.names.hosts) {
    case 'none':
      return false;
    case 'own-name':
      return type === 'dns' && value === identity.deviceId.toLowerCase();
    case 'any':
      return identity.permittedHosts?.includes(value) ?? true;
    default:
      return profile.names.hosts satisfies never;
  }
}

/** Host names compare without case (RFC 4343) and stand in lower case in what we issue; a URI keeps its own. */
function lowerCase(name: SubjectAltName): SubjectAltName {
  return name.type === 'dns' ? { type: 'dns', value: name.value.toLowerCase() } : name;
}
