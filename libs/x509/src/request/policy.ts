import { type DeviceId, ocfUuidOf, Problem } from '@sallyport/protocol';
import { altNameFault } from '../alt-name-rules.js';
import { repeatedExtension } from '../extensions.js';
import type { SubjectAltName } from '../general-name.js';
import { identityUri } from '../identity.js';
import type { AcceptedKey, CertificateProfile } from '../issuance/profiles.js';
import { oids } from '../oids.js';
import { type KeyDescription, keyText } from '../public-key.js';
import { type CertificateRequest, requireGood } from './certificate-request.js';
import { keyFault } from './key-quality.js';

/** The authenticated identity of a requester, and the names that the site permits for it. */
export interface LeafIdentity {
  readonly deviceId: DeviceId;
  /** Trust domain of the identity URI; `sallyport.local` when absent. */
  readonly trustDomain?: string | undefined;
  /**
   * DNS names and addresses permitted by a profile with `hosts: 'any'`, in lower case; absent: every well-formed one.
   */
  readonly permittedHosts?: readonly string[] | undefined;
  /** Another common name that the request may have. The certificate never has it. */
  readonly alias?: string | undefined;
}

/**
 * Checks a request against a profile and the authenticated identity. `verifyPossession` checks the signature
 * separately.
 *
 * @throws Problem `csr-rejected` (400): the key or a name is not acceptable; a new CSR can be correct.
 * @throws Problem `csr-forbidden` (403): the requester may not have what it asks for: another name, a CA certificate,
 *   extensions that it may not choose. `extensions.code` names the rule.
 */
export function checkCertificateRequest(
  request: CertificateRequest,
  profile: CertificateProfile,
  identity: LeafIdentity,
): void {
  requireGood(request, keyFault(request.spki) ?? unacceptedKey(request.key, profile));
  checkSubject(request, identity);
  checkExtensions(request, profile);
  checkNames(request, profile, identity);
}

/**
 * The alternative names of the leaf: its identity URI, then the requested DNS names (in lower case) and addresses, each
 * once. Call it only after `checkCertificateRequest`.
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

/** By the name that `keyText` gives a key that `keyFault` accepts; RSA of any size is `RSA`. */
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

/** The text of the sender, shortened, so that it does not fill the answer and the log. */
function shortened(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

/** We build the subject of the certificate. The request may only repeat the authenticated id. */
function checkSubject({ subject }: CertificateRequest, { deviceId, alias }: LeafIdentity): void {
  const [commonName, ...others] = subject.commonNames;
  if (others.length > 0) throw forbidden('common-names', `has ${others.length + 1} common names; send one or none`);
  if (commonName !== undefined && commonName !== alias && !isSameName(commonName, deviceId))
    throw forbidden(
      'common-name',
      `has the subject ${shortened(subject.text)}, and you are ${deviceId}; send CN=${deviceId} or none`,
    );
}

/** Devices write the UUID of OCF in capitals too. Their certificates have it in lower case. */
function isSameName(commonName: string, deviceId: DeviceId): boolean {
  if (commonName === deviceId) return true;
  const uuid = ocfUuidOf(commonName);
  return uuid !== undefined && uuid === ocfUuidOf(deviceId);
}

/** RFC 5280 §4.2.1.12: purposes that a TLS peer may request. The profile decides which of them it gets. */
const tlsPurposes: ReadonlySet<string> = new Set(['clientAuth', 'serverAuth']);

/**
 * Extensions that we check in a request. Other extensions must not be critical, because we would drop them silently.
 */
const askedFor: ReadonlySet<string> = new Set([
  oids.subjectAltName,
  oids.keyUsage,
  oids.extendedKeyUsage,
  oids.basicConstraints,
]);

function checkExtensions(request: CertificateRequest, profile: CertificateProfile): void {
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
  const given = new Set<string>(profile.extendedKeyUsages);
  const purpose = extendedKeyUsages.find((name) => !tlsPurposes.has(name) && !given.has(name));
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

/** The limit of Boulder. Every peer that reads the certificate must parse all names. */
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

/**
 * Host names are compared without case (RFC 4343), and our certificates have them in lower case. A URI is not changed.
 */
function lowerCase(name: SubjectAltName): SubjectAltName {
  return name.type === 'dns' ? { type: 'dns', value: name.value.toLowerCase() } : name;
}
