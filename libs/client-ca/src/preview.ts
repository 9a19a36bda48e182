import {
  type ClientCa,
  type ConnectorDocument,
  type Finding,
  type IdentityPreview,
  type RefusalReason,
  refusals,
} from '@sallyport/protocol';
import {
  type Certificate,
  hasBegun,
  hasEnded,
  isStrongSignature,
  keyWeakness,
  purposeFault,
  verifySignedBy,
} from '@sallyport/x509';
import { info, warning } from './ca-findings.js';
import { certificateOf } from './client-ca-certificate.js';
import { constraintFault, identityOf } from './identity.js';
import { certificatesIn, type PastedItem } from './pasted.js';

/** A Client CA above a leaf, and every CA certificate between them, the CA's own last. */
export interface FoundClientCa {
  readonly clientCa: ClientCa;
  readonly authorities: readonly Certificate[];
}

interface Fault {
  readonly reason: RefusalReason;
  readonly text: string;
}

const longestPath = 8;

/**
 * Says which identity a device with this certificate would have, or why it would be refused. It looks at certificate,
 * Client CA and connector; not at what is known of the device.
 */
export function previewIdentity(items: readonly PastedItem[], document: ConnectorDocument, now: Date): IdentityPreview {
  const [leaf, ...others] = certificatesIn(items);
  if (leaf === undefined)
    return refused({ reason: 'no-certificate', text: 'There is no certificate in what was pasted.' }, undefined);
  const found = findClientCa(leaf, others, document);
  if (found === undefined) return refused(unknownIssuer(leaf), undefined);
  const fault = connectorFault(document) ?? clientCaFault(found, now) ?? leafFault(leaf, document, now);
  if (fault !== undefined) return refused(fault, found);
  const rules = { clientCa: found.clientCa, format: document.settings.identity };
  const named = identityOf(leaf, rules);
  if (named.fault !== undefined) return refused({ reason: named.fault, text: named.text }, found);
  const forbidden = constraintFault(named.identity, found.authorities);
  if (forbidden?.fault !== undefined) return refused({ reason: forbidden.fault, text: forbidden.text }, found);
  const { id, label } = found.clientCa;
  return {
    outcome: 'accepted',
    clientCa: id,
    label,
    identity: named.identity,
    findings: newcomerFindings(found.clientCa, document),
  };
}

/** The Client CA that vouches for a leaf, straight or through intermediates that came with it. */
export function findClientCa(
  leaf: Certificate,
  others: readonly Certificate[],
  { clientCas }: ConnectorDocument,
): FoundClientCa | undefined {
  const known = clientCas.flatMap((clientCa) =>
    clientCa.certificates.map((each) => ({ clientCa, certificate: certificateOf(each) })),
  );
  const authorities: Certificate[] = [];
  let subject = leaf;
  for (let depth = 0; depth < longestPath; depth += 1) {
    const top = known.find(({ certificate }) => verifySignedBy(subject, certificate));
    if (top !== undefined) return { clientCa: top.clientCa, authorities: [...authorities, top.certificate] };
    const next = others.find((other) => other.isCa && !authorities.includes(other) && verifySignedBy(subject, other));
    if (next === undefined) return undefined;
    authorities.push(next);
    subject = next;
  }
  return undefined;
}

function unknownIssuer(leaf: Certificate): Fault {
  return {
    reason: 'issuer-unknown',
    text: `No Client CA of the connector signed it. Its issuer is ${leaf.issuer.text}. If an intermediate CA is between them, paste its certificate too.`,
  };
}

function connectorFault({ name, settings }: ConnectorDocument): Fault | undefined {
  if (settings.pki.enabled) return undefined;
  return { reason: 'certificates-not-accepted', text: `PKI is off in the connector "${name}".` };
}

function clientCaFault({ clientCa, authorities }: FoundClientCa, now: Date): Fault | undefined {
  const { label, login, existingUntil } = clientCa;
  if (!login)
    return { reason: 'issuer-disabled', text: `Logins with certificates of the Client CA "${label}" are blocked.` };
  const ended = authorities.find((each) => hasEnded(each, now));
  if (ended === undefined || (existingUntil !== undefined && Date.parse(existingUntil) > now.getTime()))
    return undefined;
  return { reason: 'issuer-expired', text: `The CA ${ended.subject.text} ended on ${ended.notAfter.toISOString()}.` };
}

function leafFault(leaf: Certificate, { settings }: ConnectorDocument, now: Date): Fault | undefined {
  const weakness = keyWeakness(leaf);
  if (weakness !== undefined) return { reason: 'weak-key', text: `The certificate is not safe: it ${weakness}.` };
  if (!isStrongSignature(leaf.signatureAlgorithm))
    return { reason: 'weak-signature', text: `The certificate is signed with ${leaf.signatureAlgorithm}.` };
  const purpose = purposeFault(leaf) ?? (settings.pki.requireClientAuth ? clientAuthFault(leaf) : undefined);
  if (purpose !== undefined) return { reason: purpose, text: refusals[purpose].meaning };
  return dateFault(leaf, settings.pki.notBeforeSkewSeconds, now);
}

function clientAuthFault({ extendedKeyUsages }: Certificate): RefusalReason | undefined {
  return extendedKeyUsages?.includes('clientAuth') === true ? undefined : 'wrong-purpose';
}

function dateFault(leaf: Certificate, skewSeconds: number, now: Date): Fault | undefined {
  if (hasEnded(leaf, now))
    return { reason: 'certificate-expired', text: `The certificate ended on ${leaf.notAfter.toISOString()}.` };
  if (hasBegun(leaf, new Date(now.getTime() + skewSeconds * 1000))) return undefined;
  return { reason: 'certificate-not-yet-valid', text: `The certificate begins on ${leaf.notBefore.toISOString()}.` };
}

/** What would keep a device out that is not registered yet. */
function newcomerFindings({ provision, approval }: ClientCa, { settings }: ConnectorDocument): Finding[] {
  const findings: Finding[] = [];
  if (!provision)
    findings.push(
      warning('issuer-stopped', 'This Client CA brings no new devices: only one that is registered gets in.'),
    );
  else if (!settings.provisioning.self)
    findings.push(
      warning(
        'not-expected',
        'Self-provisioning is off: only a device on the allow list, or one that is registered, gets in.',
      ),
    );
  if (approval === 'manual')
    findings.push(info('pending-approval', 'A new device waits until an administrator approves it.'));
  return findings;
}

function refused({ reason, text }: Fault, found: FoundClientCa | undefined): IdentityPreview {
  const { id, label } = found?.clientCa ?? {};
  return {
    outcome: 'refused',
    ...(id === undefined || label === undefined ? {} : { clientCa: id, label }),
    reason,
    text,
    remedy: refusals[reason].remedy,
    findings: [],
  };
}
