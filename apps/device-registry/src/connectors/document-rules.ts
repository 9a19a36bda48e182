import { areNamesakes, certificateOf, checkNaming, dateFindings } from '@sallyport/client-ca';
import {
  type ClientCa,
  type ConnectorDocument,
  type ConnectorName,
  type Finding,
  mostClientCas,
  mostNamesakes,
  Problem,
  printable,
} from '@sallyport/protocol';
import { type Certificate, constraintVerdict } from '@sallyport/x509';

/** A value of the store holds a MiB, and a draft is kept beside the document it began with. */
const largestDocumentBytes = 700_000;
/** All connectors travel to the listeners in one message, and the broker takes at most a MiB. */
const largestDirectoryBytes = 900_000;

/**
 * What must hold for each version of a draft.
 *
 * @throws Problem `invalid-request`, `too-large`
 */
export function checkDocument(document: ConnectorDocument): void {
  if (document.clientCas.length > mostClientCas)
    throw new Problem(
      'too-large',
      `A connector has at most ${mostClientCas} Client CAs. Remove one that is not needed.`,
    );
  const bytes = Buffer.byteLength(JSON.stringify(document));
  if (bytes > largestDocumentBytes)
    throw new Problem(
      'too-large',
      `The connector would have ${bytes} bytes; the limit is ${largestDocumentBytes}. Remove Client CAs or resources.`,
    );
  for (const { naming } of document.clientCas) checkNaming(naming);
}

/** What a document is judged with. */
export interface DocumentSurroundings {
  /** The other connectors, as they are in force. */
  readonly others: readonly ConnectorDocument[];
  /** Where the operator lets hooks be. */
  readonly hookOrigins: readonly string[];
  readonly now: Date;
}

/** What to know before a document is saved. An `error` stands against saving. */
export function documentFindings(
  document: ConnectorDocument,
  { others, hookOrigins, now }: DocumentSurroundings,
): Finding[] {
  return [
    ...domainFindings(document, others),
    ...hookFindings(document, hookOrigins),
    ...admissionFindings(document),
    ...sizeFindings(document, others),
    ...document.clientCas.flatMap((each) => clientCaFindings(each, document, now)),
  ];
}

function domainFindings({ settings }: ConnectorDocument, others: readonly ConnectorDocument[]): Finding[] {
  const owner = new Map<string, ConnectorName>();
  for (const other of others) for (const domain of other.settings.domains) owner.set(domain, other.name);
  return settings.domains
    .filter((domain) => owner.has(domain))
    .map((domain) => ({
      code: 'domain-taken',
      severity: 'error',
      text: `The domain ${domain} belongs to the connector "${owner.get(domain)}". A name leads to one connector.`,
    }));
}

function admissionFindings({ settings, clientCas }: ConnectorDocument): Finding[] {
  const { provisioning, pki } = settings;
  const findings: Finding[] = [];
  const note = (code: string, severity: Finding['severity'], text: string) => findings.push({ code, severity, text });
  if (pki.enabled && clientCas.length === 0 && !pki.acceptsSite)
    note('nobody-admitted', 'warning', 'PKI is on, but there is no Client CA: no device gets in with a certificate.');
  if (!pki.enabled && clientCas.length > 0)
    note('pki-off', 'warning', 'There are Client CAs, but PKI is off: their devices are refused.');
  if (pki.enabled && clientCas.length > 0 && !provisioning.self)
    note('self-off', 'info', 'Self-provisioning is off: only devices on the allow list come in for the first time.');
  if (pki.pinning === 'any-ca')
    note('any-ca', 'warning', 'With pinning any-ca, each Client CA can take over the devices of the others.');
  if (provisioning.self && provisioning.auth !== 'certificate' && provisioning.allowedNetworks.length === 0)
    note(
      'open-activation',
      'warning',
      'Anybody who reaches the connector can activate a device. Limit the networks, or use certificates.',
    );
  return findings;
}

/** The address of a hook must not let anybody reach whatever the registry can reach. */
function hookFindings({ settings }: ConnectorDocument, hookOrigins: readonly string[]): Finding[] {
  if (settings.hook === undefined) return [];
  const { origin } = new URL(settings.hook.url);
  if (hookOrigins.includes(origin)) return [];
  const text = `No hook is asked at ${origin}. The operator allows it with: sallyport config add registry.webhook.origins ${origin}`;
  return [{ code: 'hook-not-allowed', severity: 'error', text }];
}

function sizeFindings(document: ConnectorDocument, others: readonly ConnectorDocument[]): Finding[] {
  const bytes = [document, ...others].reduce((sum, each) => sum + Buffer.byteLength(JSON.stringify(each)), 0);
  if (bytes <= largestDirectoryBytes) return [];
  const text = `All connectors together would have ${bytes} bytes; the limit is ${largestDirectoryBytes}. Remove Client CAs that are not needed.`;
  return [{ code: 'too-large', severity: 'error', text }];
}

/** What to know about one Client CA of a document. */
export function clientCaFindings(clientCa: ClientCa, document: ConnectorDocument, now: Date): Finding[] {
  const named = (finding: Finding): Finding => ({
    ...finding,
    text: `Client CA "${printable(clientCa.label)}": ${finding.text}`,
  });
  return [...twinFindings(clientCa, document), ...endFindings(clientCa, now), ...crlFindings(clientCa)].map(named);
}

function twinFindings(clientCa: ClientCa, { clientCas }: ConnectorDocument): Finding[] {
  const namesakes = clientCas.filter((other) => other.id !== clientCa.id && haveOneName(other, clientCa));
  if (namesakes.length === 0) return [];
  const named = `"${printable(namesakes[0]?.label ?? '')}"`;
  if (namesakes.length >= mostNamesakes)
    return [error('same-name', `${namesakes.length} others have its name; up to ${mostNamesakes} CAs may share one.`)];
  if (clientCa.certificates.map(certificateOf).some(isNameConstrained))
    return [
      error(
        'same-name',
        `it has name constraints and the name of ${named}. Its devices would be refused. Give it a name that no other CA has.`,
      ),
    ];
  // Said once for both: of the one that came later.
  if (clientCas.indexOf(clientCa) < clientCas.findIndex(({ id }) => id === namesakes[0]?.id)) return [];
  const text = `it has the name of ${named} and another key. The devices that each of them signed get in: they are told apart by the key. Those of intermediate CAs below either are refused, unless the intermediate CA is a Client CA too.`;
  return [{ code: 'namesake', severity: 'warning', text }];
}

function haveOneName(one: ClientCa, other: ClientCa): boolean {
  const theirs = other.certificates.map(certificateOf);
  return one.certificates.map(certificateOf).some((own) => theirs.some((each) => areNamesakes(own, each)));
}

function isNameConstrained(certificate: Certificate): boolean {
  return constraintVerdict(certificate, '') !== 'unconstrained';
}

function error(code: string, text: string): Finding {
  return { code, severity: 'error', text };
}

function endFindings({ certificates, existingUntil }: ClientCa, now: Date): Finding[] {
  const last = certificates
    .map(({ notBefore, notAfter }) => ({ notBefore: new Date(notBefore), notAfter: new Date(notAfter) }))
    .toSorted((one, other) => other.notAfter.getTime() - one.notAfter.getTime())[0];
  if (last === undefined) return [];
  // A CA that has ended in the meantime does not keep anybody from saving: its devices are refused all the same.
  const findings = dateFindings(last, now).map((finding) => ({ ...finding, severity: 'warning' as const }));
  if (existingUntil === undefined || findings.length === 0) return findings;
  return [
    ...findings,
    { code: 'grace', severity: 'info', text: `Devices that are registered pass until ${existingUntil}.` },
  ];
}

function crlFindings({ crl }: ClientCa): Finding[] {
  if (crl.mode !== 'off' || crl.url === undefined) return [];
  return [
    {
      code: 'crl-off',
      severity: 'warning',
      text: 'it has the address of a revocation list, but the list is not used.',
    },
  ];
}
