import { hostname } from 'node:os';
import { AuditLog } from '@sallyport/audit';
import { exists } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import type { Clock, Log, ServiceContext } from '@sallyport/runtime';
import { Outbox, type Store } from '@sallyport/store';
import type { SignerAuditLog } from './audit/signer-audit.js';
import { AuthorityImporter } from './authority/authority-import.js';
import { AuthorityMaker } from './authority/authority-maker.js';
import { foundHierarchy } from './authority/founding.js';
import { Hierarchy } from './authority/hierarchy.js';
import { Rotation } from './authority/rotation.js';
import { CrlPublisher } from './crl/crl-publisher.js';
import { type CallerLimits, Enrolment, type EnrolmentLimits } from './enrolment/enrolment.js';
import { OneTimeTokens } from './enrolment/one-time-tokens.js';
import { RateLimit, type RateLimitOptions } from './enrolment/rate-limit.js';
import { Renewal } from './enrolment/renewal.js';
import { Inventory } from './inventory/inventory.js';
import { Revocation } from './inventory/revocation.js';
import { AdminSigning } from './issuance/admin-signing.js';
import { CertificateIssuer } from './issuance/certificate-issuer.js';
import { Issuance } from './issuance/issuance.js';
import { RefusalAudit } from './issuance/refusal-audit.js';
import type { RegistryGate } from './issuance/registry-gate.js';
import { SignerMetrics } from './issuance/signer-metrics.js';
import { ServerCertificate, serverNames } from './server-certificate/server-certificate.js';
import type { SignerSettings } from './signer-settings.js';
import { FileKeyStore } from './signing-key/file-key-store.js';
import { readOrCreateSecret } from './signing-key/secret-file.js';
import type { KeyStore, SigningKey } from './signing-key/signing-key.js';
import { SiteMembership, withoutBackup } from './site/site-membership.js';

export interface SignerOptions {
  /** Below the signer's own prefix. */
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly metricsRegistry: ServiceContext['metrics'];
  readonly registry: RegistryGate;
  readonly settings: SignerSettings;
}

/** The parts of the signer. A class, so that Nest can inject it. */
export abstract class Signer {
  abstract readonly audit: SignerAuditLog;
  abstract readonly outbox: Outbox;
  abstract readonly metrics: SignerMetrics;
  abstract readonly hierarchy: Hierarchy;
  abstract readonly inventory: Inventory;
  abstract readonly keys: KeyStore;
  abstract readonly rotation: Rotation;
  abstract readonly importer: AuthorityImporter;
  abstract readonly tokens: OneTimeTokens;
  abstract readonly enrolment: Enrolment;
  abstract readonly renewal: Renewal;
  abstract readonly adminSigning: AdminSigning;
  abstract readonly revocation: Revocation;
  abstract readonly crls: CrlPublisher;
  abstract readonly serverCertificate: ServerCertificate;
}

/** What must exist before the first certificate is issued. */
interface OpenedSite {
  readonly audit: SignerAuditLog;
  readonly outbox: Outbox;
  readonly hierarchy: Hierarchy;
  readonly maker: AuthorityMaker;
  readonly keys: KeyStore;
  /** Secret key of the digests of one-time tokens. */
  readonly pepper: Buffer;
}

// One address may be a whole site behind a gateway or a load balancer. A name is one device.
const addressLimit = { burst: 400, perSecond: 200 };
const nameLimit = { burst: 60, perSecond: 1 };
// Each renewal leaves some kilobytes in the store for months. With this limit a device adds at most 7 MB a day.
const renewalLimit = { burst: 60, perSecond: 1 / 60 };

/**
 * Puts the signer together; makes the CA hierarchy of a new site.
 *
 * @throws Problem `site-incomplete`: part of the site is lost, so that it is neither whole nor new
 * @throws Problem `signing-key-unavailable`: CA keys or what opens them are missing or damaged
 */
export async function openSigner(options: SignerOptions): Promise<Signer> {
  return composeSigner(options, await openSite(options));
}

async function openSite({ store, clock, log, settings }: SignerOptions): Promise<OpenedSite> {
  const { files } = settings;
  const audit: SignerAuditLog = new AuditLog(store, clock);
  const outbox = new Outbox(store, 'outbox/');
  const hierarchy = new Hierarchy(store, audit, outbox);
  await hierarchy.load();
  const site = await SiteMembership.take({ store, audit, hierarchy, clock, log, files });
  if (hierarchy.isFounded && !(await exists(files.pepperFile)))
    log.warn(
      {},
      'the secret of one-time tokens was missing; a new one was made, so earlier tokens are not valid any more',
    );
  const keys = await FileKeyStore.at({ directory: files.keyDirectory, passphraseFile: files.passphraseFile });
  const pepper = await readOrCreateSecret(files.pepperFile);
  const maker = new AuthorityMaker(keys, audit, clock, settings);
  await foundHierarchy(hierarchy, maker, site);
  await proveSigningKeys(hierarchy, keys);
  await site.confirm();
  return { audit, outbox, hierarchy, maker, keys, pepper };
}

function composeSigner(options: SignerOptions, site: OpenedSite): Signer {
  const { store, clock, registry, settings } = options;
  const { audit, outbox, hierarchy, maker, keys } = site;
  const metrics = new SignerMetrics(options.metricsRegistry);
  const inventory = new Inventory(store, clock);
  const validity = { device: settings.deviceValiditySeconds, service: settings.serviceValiditySeconds };
  const minimumAuthorityLifeSeconds = Math.max(validity.device, validity.service) / 2;

  const issuer = issuerOf(options, site, { metrics, inventory });
  const refusals = new RefusalAudit(audit, metrics);
  const issuance = new Issuance({ hierarchy, registry, issuer, refusals, metrics });
  const tokens = tokensOf(options, site);
  return {
    audit,
    outbox,
    metrics,
    hierarchy,
    inventory,
    keys,
    rotation: new Rotation(hierarchy, maker, inventory, clock, validity),
    importer: new AuthorityImporter(hierarchy, maker, keys, clock, minimumAuthorityLifeSeconds),
    tokens,
    enrolment: new Enrolment({ issuance, tokens, inventory, metrics, limits: enrolmentLimits(clock) }),
    // Renewal has its own limits, so that requests for enrolment cannot stop a device from renewing.
    renewal: new Renewal({ issuance, inventory, store, clock, limits: callerLimits(clock, renewalLimit) }),
    adminSigning: new AdminSigning(issuance, hierarchy),
    revocation: new Revocation({ store, inventory, audit, outbox, clock }),
    crls: crlsOf(options, site, metrics),
    serverCertificate: serverCertificateOf(options, { issuer, hierarchy, inventory }),
  };
}

function issuerOf(
  { store, clock, settings }: SignerOptions,
  { audit, outbox, hierarchy, keys }: OpenedSite,
  { metrics, inventory }: Pick<Signer, 'metrics' | 'inventory'>,
): CertificateIssuer {
  const { organization, trustDomain, publicUrl, deviceValiditySeconds: device } = settings;
  const { serviceValiditySeconds: service } = settings;
  return new CertificateIssuer({
    store,
    audit,
    inventory,
    hierarchy,
    keys,
    outbox,
    clock,
    metrics,
    organization,
    trustDomain,
    publicUrl,
    validitySeconds: { device, service, admin: service, server: service },
  });
}

function tokensOf({ store, clock, settings }: SignerOptions, { audit, hierarchy, pepper }: OpenedSite): OneTimeTokens {
  const { tokenValiditySeconds: defaultValiditySeconds } = settings;
  const rootFingerprint = () => hierarchy.rootFingerprint;
  return new OneTimeTokens({ store, audit, clock, pepper, defaultValiditySeconds, rootFingerprint });
}

function enrolmentLimits(clock: Clock): EnrolmentLimits {
  const { byAddress, byName } = callerLimits(clock, nameLimit);
  return { byAddress, byName, guesses: new RateLimit(clock, nameLimit) };
}

function callerLimits(clock: Clock, byName: RateLimitOptions): CallerLimits {
  return { byAddress: new RateLimit(clock, addressLimit), byName: new RateLimit(clock, byName) };
}

function crlsOf(
  { store, clock, log, settings }: SignerOptions,
  { hierarchy, keys }: OpenedSite,
  metrics: SignerMetrics,
): CrlPublisher {
  const { crlValiditySeconds: validitySeconds, crlIntervalSeconds: intervalSeconds } = settings;
  return new CrlPublisher({ store, hierarchy, keys, clock, metrics, log, validitySeconds, intervalSeconds });
}

function serverCertificateOf(
  { clock, settings }: SignerOptions,
  { issuer, hierarchy, inventory }: Pick<Signer, 'hierarchy' | 'inventory'> & { readonly issuer: CertificateIssuer },
): ServerCertificate {
  const { files, hostnames } = settings;
  const names = () => serverNames(hostname(), hostnames);
  return new ServerCertificate({ issuer, hierarchy, inventory, clock, path: files.serverIdentityFile, names });
}

/** Opens every signing key, with a self-test. So a wrong passphrase stops the start, and no device meets it. */
async function proveSigningKeys({ all }: Hierarchy, keys: KeyStore): Promise<void> {
  // The key of a root may be kept elsewhere between rotations.
  const signing = all.filter(({ record }) => record.purpose !== 'root' && record.state === 'active');
  for (const { record, certificate } of signing) {
    if (record.keyName === undefined) continue;
    const { publicKey } = await openKey(keys, record.keyName);
    if (!publicKey.export({ type: 'spki', format: 'der' }).equals(certificate.spki))
      throw new Problem(
        'signing-key-unavailable',
        `The key of CA "${record.id}" is not the one its certificate was made for: keys and store are of different sites. Restore both from the same backup. ${withoutBackup}`,
      );
  }
}

async function openKey(keys: KeyStore, name: string): Promise<SigningKey> {
  try {
    return await keys.open(name);
  } catch (error) {
    if (!(error instanceof Problem) || error.type !== 'signing-key-unavailable') throw error;
    throw new Problem(error.type, `${error.message} ${withoutBackup}`, { cause: error });
  }
}
