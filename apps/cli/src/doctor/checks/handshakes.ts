import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { getCACertificates, rootCertificates } from 'node:tls';
import { isConfigKey } from '@sallyport/config';
import { privateKeyPem } from '@sallyport/identity';
import {
  type EntranceDefinition,
  type EntranceDescription,
  type EntranceGroup,
  entranceDefinition,
} from '@sallyport/protocol';
import { type Certificate, pemFromDer } from '@sallyport/x509';
import { administrator, localClient } from '../../secure/local-identity.js';
import { type ClientIdentity, reachableHost } from '../../secure/probe.js';
import { announceProbes } from '../../site/announced-probes.js';
import { isPair, readPemFile } from '../../site/pem-file.js';
import { type PathKey, securedGroups } from '../../site/secured-group.js';
import { isOfSite } from '../../site/trusted-roots.js';
import { type Check, error, type Finding, type Relations, warning } from '../check.js';
import type { CheckedSite } from '../checked-site.js';
import { type Handshake, shakeHands } from '../handshake.js';
import { issuerBeside } from '../issuer-beside.js';
import { operatorAnchors } from '../operator-anchors.js';

/** A real client gets in at each listener: a TLS handshake with OpenSSL's own verdict, and an answer of the service. */
export const handshakes: Check = {
  id: 'handshakes',
  title: 'handshakes with the listeners',
  run: async (checked) => {
    const running = checked.services.filter((state) => state.isRunning);
    await Promise.all(
      running.map(({ client, entrances }) => (entrances.length > 0 ? announceProbes(client) : undefined)),
    );
    const entrances = running.flatMap((state) => state.entrances);
    const open = entrances.filter(({ isOpen, level, shutReason }) => isOpen && level !== 'plain' && !shutReason);
    return (await Promise.all(open.map((entrance) => inspect(checked, entrance)))).flat();
  },
};

/** A listener, as a client of this machine sees it. */
interface Visited {
  readonly checked: CheckedSite;
  readonly entrance: EntranceDescription;
  readonly definition: EntranceDefinition;
  /** Settings of its certificate; absent where the service makes its own, and nobody can give it another. */
  readonly keys: CertificateKeys | undefined;
  readonly relations: Relations;
}

/** Settings of the certificate of a listener. Without `ca` the service has one by itself when they are not set. */
interface CertificateKeys {
  readonly cert: PathKey;
  readonly key: PathKey;
  readonly ca?: PathKey;
}

const frontKeys: Partial<Record<EntranceGroup, CertificateKeys>> = {
  connector: { cert: 'connector.cert_path', key: 'connector.key_path' },
  'connector.mqtt': { cert: 'connector.cert_path', key: 'connector.key_path' },
  coap: { cert: 'coap.tls.cert_path', key: 'coap.tls.key_path' },
};

type Done = Extract<Handshake, { isDone: true }>;

async function inspect(checked: CheckedSite, entrance: EntranceDescription): Promise<Finding[]> {
  const definition: EntranceDefinition = entranceDefinition(entrance.group);
  const keys = securedGroups.find(({ group }) => group === entrance.group)?.keys ?? frontKeys[entrance.group];
  const needs = ['clock', `listener ${entrance.group}`, `service ${definition.service}`] as const;
  const visited = { checked, entrance, definition, keys, relations: { needs } };
  const seen = await visit(visited, siteAnchors(checked));
  if (!seen.isDone) return [impossible(visited, seen)];
  if (isOfSite([seen.leaf], checked.trust))
    return [...verdictFindings(visited, seen), ...refusalFindings(visited, seen)];
  return judgeForeign(visited);
}

async function visit({ checked, entrance, definition }: Visited, anchors: readonly string[]): Promise<Handshake> {
  const { protocol } = definition;
  const client = await clientFor(checked, entrance, definition);
  const { signal } = checked.context;
  const place = { host: reachableHost(entrance.host), port: entrance.port };
  const seen = await shakeHands({ ...place, protocol, anchors, client, signal });
  // Refusing a client without a certificate is what level mutual is for.
  if (!seen.isDone || client !== undefined || entrance.level !== 'mutual') return seen;
  const { refusal: _expected, ...rest } = seen;
  return rest;
}

/** Whom this machine can connect as; undefined where the listener asks for nobody, or there is no certificate to show. */
async function clientFor(
  { site: { settings } }: CheckedSite,
  { level }: EntranceDescription,
  { clientCertificate, isAdminApi }: EntranceDefinition,
): Promise<ClientIdentity | undefined> {
  if (level !== 'mutual' || clientCertificate === 'none' || clientCertificate === 'optional') return undefined;
  const { files } = isAdminApi === true ? administrator(settings) : localClient(settings);
  const [cert, key] = [await readPemFile(files.certPath), await readPemFile(files.keyPath)];
  // Another check tells of a pair that cannot be used.
  if (!isPair(cert, key) || key.privateKey === undefined) return undefined;
  return {
    certPem: cert.certificates.map(({ der }) => pemFromDer('CERTIFICATE', der)).join(''),
    keyPem: privateKeyPem(key.privateKey),
  };
}

function siteAnchors({ trust }: CheckedSite): string[] {
  return trust.roots.map(({ der }) => pemFromDer('CERTIFICATE', der));
}

/** A certificate of another CA: its clients trust the CAs of the machine, or those that the operator has put here. */
async function judgeForeign(visited: Visited): Promise<Finding[]> {
  const { checked, keys } = visited;
  const own = keys === undefined ? [] : await operatorAnchors(checked.site.settings, keys);
  const seen = await visit(visited, [...own, ...getCACertificates('system'), ...rootCertificates]);
  if (!seen.isDone) return [impossible(visited, seen)];
  return [
    ...(isIssuerUnknown(seen) ? [await unknownIssuer(visited, seen)] : verdictFindings(visited, seen)),
    ...nameFindings(visited, seen),
    ...refusalFindings(visited, seen),
  ];
}

const issuerUnknown = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_GET_ISSUER_CERT',
]);

function isIssuerUnknown({ verdict = '' }: Done): boolean {
  return issuerUnknown.has(verdict);
}

/** Some clients may know the issuer, so this is no error. With its certificate sent along, all of them find the root. */
async function unknownIssuer(visited: Visited, { leaf }: Done): Promise<Finding> {
  const { checked, entrance, keys, relations } = visited;
  const path = keys === undefined ? undefined : checked.site.settings.get(keys.cert);
  const what = `${entrance.name} sends a certificate of "${leaf.issuer.text}" and not the certificate of that CA. Clients that trust only the root above it cannot connect.`;
  if (path === undefined) return warning(what, repair(visited, leaf), relations);
  const issuer = (await issuerBeside(path, leaf)) ?? 'ISSUER.pem';
  return warning(what, checked.remedies.append(issuer, path), relations);
}

function verdictFindings(visited: Visited, { verdict, leaf }: Done): Finding[] {
  if (verdict === undefined) return [];
  const { entrance, relations } = visited;
  const what = `Clients refuse the certificate of ${entrance.name} at ${placeOf(entrance)}: ${inWords(verdict)}.`;
  return [error(what, repair(visited, leaf), relations)];
}

const words: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has ended',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  INVALID_PURPOSE: 'it is not meant for servers',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the certificate of its issuer is missing',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the certificate of its issuer is missing',
  UNABLE_TO_GET_ISSUER_CERT: 'the certificate of its issuer is missing',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'no CA has signed it',
  SELF_SIGNED_CERT_IN_CHAIN: 'its root is not the one that clients trust',
  CERT_SIGNATURE_FAILURE: 'it is not signed by the CA that it names',
};

function inWords(verdict: string): string {
  return words[verdict] ?? `OpenSSL says ${verdict}`;
}

/** The name that clients of this machine use for the listener. */
function nameFindings(visited: Visited, { leaf }: Done): Finding[] {
  const { checked, entrance, definition, relations } = visited;
  const { clientHostKey: key } = definition;
  if (key === undefined || !isConfigKey(key)) return [];
  const host = String(checked.site.settings.require(key));
  const shown = new X509Certificate(leaf.der);
  const isForHost = isIP(host) === 0 ? shown.checkHost(host) : shown.checkIP(host);
  if (isForHost !== undefined) return [];
  const what = `Clients refuse the certificate of ${entrance.name}: it is not for "${host}" (${key}).`;
  return [error(what, repair(visited, leaf), relations)];
}

function refusalFindings({ checked, entrance, relations }: Visited, { refusal }: Done): Finding[] {
  if (refusal === undefined) return [];
  const what = `${entrance.name} at ${placeOf(entrance)} does not serve a client of this site: ${refusal}.`;
  const needs = [...(relations.needs ?? []), entrance.group === 'mqtt' ? 'client mqtt' : 'client http'] as const;
  return [error(what, checked.remedies.secure(entrance.level), { needs })];
}

function impossible(visited: Visited, { fault, code }: Extract<Handshake, { isDone: false }>): Finding {
  const { checked, entrance, relations } = visited;
  const what = `No ordinary client can finish a TLS handshake with ${entrance.name} at ${placeOf(entrance)}: ${fault}.`;
  const isAway = code === 'ECONNREFUSED' || code === 'ETIMEDOUT';
  return error(what, isAway ? checked.remedies.startServices() : repair(visited, undefined), relations);
}

/**
 * The command that puts a certificate of this site there. A running listener never goes below its level by it.
 *
 * @param leaf what it shows now; undefined when it cannot even do that
 */
function repair({ checked, entrance, keys }: Visited, leaf: Certificate | undefined): string {
  const { remedies, trust, site } = checked;
  const isOwn = leaf !== undefined && isOfSite([leaf], trust);
  if (keys?.ca !== undefined) {
    const secure = remedies.secure(entrance.level);
    return isOwn ? secure : remedies.all(remedies.unset(keys.cert, keys.key), secure);
  }
  const isChosen = keys !== undefined && site.settings.get(keys.cert) !== undefined;
  return isChosen ? remedies.unset(keys.cert, keys.key) : remedies.startServices();
}

function placeOf({ host, port }: EntranceDescription): string {
  const reachable = reachableHost(host);
  return `${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}
