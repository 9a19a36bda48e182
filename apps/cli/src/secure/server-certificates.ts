import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { AdminClient } from '@sallyport/admin-client';
import { needsRenewal } from '@sallyport/identity';
import {
  deviceId,
  type EnrolmentTokenRequest,
  type EntranceEnrolRequest,
  type EntranceEnrolResponse,
  entranceRoutes,
  Problem,
  type SecurityLevel,
  type ServiceName,
  signerRoutes,
  statePlaces,
} from '@sallyport/protocol';
import { readSecurityFiles, readTrustAnchors } from '@sallyport/tls';
import { type Certificate, certificatesFromPem, hasBegun, hasEnded, pemFromDer } from '@sallyport/x509';
import { Failure } from '../failure.js';
import { hostNames } from '../site/host-names.js';
import type { SecurityKeys } from '../site/secured-group.js';
import type { Site } from '../site/site.js';
import { isOfSite, leadsTo, type SiteTrust } from '../site/trusted-roots.js';
import type { ServerTrust } from './probe.js';
import type { RunningEntrance } from './running-entrances.js';

/** The certificate that a listener is to show, and what a client must trust to accept it. */
export interface ServerCertificate {
  readonly certPath: string;
  readonly keyPath: string;
  /** CAs of the clients to let in; undefined below level mutual. */
  readonly caPath: string | undefined;
  readonly trust: ServerTrust;
  readonly origin: 'kept' | 'issued' | 'kept, not of this site';
}

/** What certificates are judged and issued with. */
export interface Issuance {
  readonly site: Site;
  readonly signer: AdminClient;
  readonly siteTrust: SiteTrust;
  readonly level: Exclude<SecurityLevel, 'plain'>;
  /** All entrances: those of one service show one certificate. */
  readonly running: readonly RunningEntrance[];
  /** Services that have enrolled in this run. */
  readonly enrolled: Map<ServiceName, EntranceEnrolResponse>;
}

interface Pair {
  readonly certPath: string;
  readonly keyPath: string;
  readonly chain: readonly [Certificate, ...Certificate[]];
}

/**
 * The certificate that a listener is to show. The one that the settings name stays while it can be used, also when it
 * is the operator's own. Otherwise a new one is issued, for a key that the service makes.
 *
 * @throws Failure: the operator's CAs do not hold this site's, so no device of the site would get in
 */
export async function serverCertificateFor(entrance: RunningEntrance, issuance: Issuance): Promise<ServerCertificate> {
  const { site, siteTrust, level } = issuance;
  const { roots } = siteTrust;
  const { keys } = entrance.secured;
  const configuredCa = level === 'mutual' ? await configuredCas(site, keys) : undefined;
  const pair = await presentPair(site, keys);
  // A certificate that the service once enrolled for is not the operator's. It is of an earlier site, so replace it.
  if (pair !== undefined && !isOfSite(pair.chain, siteTrust) && !isOwn(entrance, site, pair))
    return operatorsCertificate(entrance, issuance, pair);
  const isCaKnown = level === 'server' || configuredCa !== undefined;
  if (pair !== undefined && isCaKnown && leadsTo(pair.chain, roots) && servesOn(entrance, issuance, pair.chain[0])) {
    await requireSiteAmong(configuredCa, keys, roots);
    return { ...pair, caPath: configuredCa, trust: trustOf(roots), origin: 'kept' };
  }
  const issued = await enrol(entrance, issuance);
  await requireSiteAmong(configuredCa, keys, roots);
  return { ...issued, caPath: caPathFor(level, configuredCa, issued), trust: trustOf(roots), origin: 'issued' };
}

function isOwn({ secured }: RunningEntrance, { settings }: Site, { certPath }: Pair): boolean {
  return dirname(certPath) === statePlaces(settings.stateDirectory).folderOf(secured.service);
}

/** The operator's certificate stays. The service still enrols, to get the CAs of the devices of this site. */
async function operatorsCertificate(
  entrance: RunningEntrance,
  issuance: Issuance,
  pair: Pair,
): Promise<ServerCertificate> {
  const { site, siteTrust, level } = issuance;
  const { keys } = entrance.secured;
  const configuredCa = level === 'mutual' ? await configuredCas(site, keys) : undefined;
  await requireSiteAmong(configuredCa, keys, siteTrust.roots);
  const caPath = level === 'mutual' ? caPathFor(level, configuredCa, await enrol(entrance, issuance)) : undefined;
  const trust: ServerTrust = { kind: 'pinned', certificatePem: pemFromDer('CERTIFICATE', pair.chain[0].der) };
  return { ...pair, caPath, trust, origin: 'kept, not of this site' };
}

function caPathFor(level: Issuance['level'], configured: string | undefined, issued: EntranceEnrolResponse) {
  return level === 'mutual' ? (configured ?? issued.caPath) : undefined;
}

/**
 * The CAs that the settings name. An earlier release of this command named a file. It is replaced by the directory that
 * the service keeps beside it, which thin-edge.io can read too.
 */
async function configuredCas({ settings }: Site, { ca }: SecurityKeys): Promise<string | undefined> {
  const path = settings.get(ca);
  const isFormer =
    path?.startsWith(statePlaces(settings.stateDirectory).services) && basename(path) === 'client-ca.pem';
  if (path === undefined || !isFormer) return path;
  const directory = join(dirname(path), 'client-ca');
  return readTrustAnchors(directory).then(
    () => directory,
    // The service is of an earlier release, or could not ask the signer yet.
    () => path,
  );
}

function trustOf(roots: readonly Certificate[]): ServerTrust {
  return { kind: 'roots', rootsPem: roots.map(({ der }) => pemFromDer('CERTIFICATE', der)) };
}

/** The pair the settings name; undefined when a listener could not use it. */
async function presentPair({ settings, context }: Site, keys: SecurityKeys): Promise<Pair | undefined> {
  const [certPath, keyPath] = [settings.get(keys.cert), settings.get(keys.key)];
  if (certPath === undefined || keyPath === undefined) return undefined;
  try {
    const files = await readSecurityFiles({ certPath, keyPath, keys });
    const [leaf, ...intermediates] = certificatesFromPem(files.settings.certificatePem ?? '');
    if (leaf === undefined || hasEnded(leaf, context.now())) return undefined;
    return { certPath, keyPath, chain: [leaf, ...intermediates] };
  } catch (fault) {
    // Missing, exchanged, or not a pair: a new certificate repairs all of this.
    if (fault instanceof Problem) return undefined;
    throw fault;
  }
}

/** True when it is made for servers, valid, far from its end, and has every name that clients may use. */
function servesOn(entrance: RunningEntrance, issuance: Issuance, leaf: Certificate): boolean {
  const { settings, context } = issuance.site;
  const names = new Set(leaf.subjectAltNames.map(({ value }) => value));
  const isComplete = hostNames(settings, addressesOf(entrance, issuance)).every(({ value }) => names.has(value));
  const isForServers = leaf.extendedKeyUsages?.includes('serverAuth') ?? true;
  const now = context.now();
  return isForServers && isComplete && hasBegun(leaf, now) && !needsRenewal(leaf, now);
}

async function requireSiteAmong(
  caPath: string | undefined,
  keys: SecurityKeys,
  roots: readonly Certificate[],
): Promise<void> {
  if (caPath === undefined) return;
  const known = new Set((await readTrustAnchors(caPath)).certificates.map(({ fingerprint }) => fingerprint));
  if (roots.some(({ fingerprint }) => known.has(fingerprint))) return;
  const choose = `let this command choose: sallyport config unset ${keys.ca}`;
  const isDirectory = (await stat(caPath)).isDirectory();
  throw new Failure(
    `${keys.ca} (${caPath}) does not hold the CA of this site, so no device enrolled here would be let in.`,
    isDirectory
      ? `Add it (sallyport ca export --output ${join(caPath, 'sallyport-ca.pem')}), or ${choose}`
      : `Name a directory that holds it and the others, or ${choose}`,
  );
}

/** Every address of the service: where it listens now, and where it will after the reload. */
function addressesOf({ secured: { service } }: RunningEntrance, { running, site: { settings } }: Issuance): string[] {
  const ofService = running.filter(({ secured }) => secured.service === service);
  return ofService.flatMap(({ secured: { group }, description: { host, moreHosts = [], profile } }) => [
    host,
    ...moreHosts,
    ...[settings.ofProfile(profile).get(`${group}.bind.address`)].filter((address) => address !== undefined),
  ]);
}

/** Once for each service: a second certificate would replace the first. */
async function enrol(entrance: RunningEntrance, issuance: Issuance): Promise<EntranceEnrolResponse> {
  const { service } = entrance.secured;
  const enrolled = issuance.enrolled.get(service) ?? (await enrolService(entrance, issuance));
  issuance.enrolled.set(service, enrolled);
  return enrolled;
}

async function enrolService(entrance: RunningEntrance, issuance: Issuance): Promise<EntranceEnrolResponse> {
  const { secured, client } = entrance;
  const { site, signer } = issuance;
  const subjectAltNames = hostNames(site.settings, addressesOf(entrance, issuance));
  const token: EnrolmentTokenRequest = {
    deviceId: deviceId.parse(secured.service),
    profile: 'service',
    reinstate: false,
    subjectAltNames,
  };
  const { token: oneTimePassword } = await signer.call(signerRoutes.createEnrolmentToken, { body: token });
  const body: EntranceEnrolRequest = {
    group: secured.group,
    oneTimePassword,
    url: site.settings.require('pki.url'),
    subjectAltNames,
  };
  return client.call(entranceRoutes.enrol, { body });
}
