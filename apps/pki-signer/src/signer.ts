import { hostname } from 'node:os';
import { AuditLog } from '@sallyport/audit';
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
import { type CallerLimits, Enrolment } from './enrolment/enrolment.js';
import { OneTimeTokens } from './enrolment/one-time-tokens.js';
import { RateLimit, type RateLimitOptions } from './enrolment/rate-limit.js';
import { Renewal } from './enrolment/renewal.js';
import { Inventory } from './inventory/inventory.js';
import { Revocation } from './inventory/revocation.js';
import { AdminSigning } from './issuance/admin-signing.js';
import { CertificateIssuer } from './issuance/certificate-issuer.js';
import { Issuance } from './issuance/issuance.js';
import { RefusalLog } from './issuance/refusal-log.js';
import type { RegistryGate } from './issuance/registry-gate.js';
import { SignerMetrics } from './issuance/signer-metrics.js';
import { ServerCertificate, serverNames } from './server-certificate/server-certificate.js';
import type { SignerSettings } from './signer-settings.js';
import { FileKeyStore } from './signing-key/file-key-store.js';
import { readOrCreateSecret } from './signing-key/secret-file.js';
import type { KeyStore, SigningKey } from './signing-key/signing-key.js';
import { SiteMembership, withoutBackup } from './site/site-membership.js';
import { exists } from './site/site-traces.js';

export interface SignerOptions {
  /** Below the signer's own prefix. */
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly metricsRegistry: ServiceContext['metrics'];
  readonly registry: RegistryGate;
  readonly settings: SignerSettings;
}

/** The parts of the signer, put together. */
export type Signer = Awaited<ReturnType<typeof openSigner>>;

// An address stands for a whole site behind a gateway or a load balancer; a name for one device.
const addressLimit = { burst: 400, perSecond: 200 };
const nameLimit = { burst: 60, perSecond: 1 };
// A device may renew as often as it likes, and each time leaves some kilobytes that stay: at most 7 MB a day.
const renewalLimit = { burst: 60, perSecond: 1 / 60 };

/**
 * Puts the signer together; makes the CA hierarchy of a new site.
 *
 * @throws Problem `site-incomplete`: part of the site is lost, so that it is neither whole nor new
 * @throws Problem `signing-key-unavailable`: CA keys or what opens them are missing or damaged
 */
export async function openSigner(options: SignerOptions) {
  const records = recordsOf(options);
  await records.hierarchy.load();
  const site = await SiteMembership.take({ ...options, ...records, files: options.settings.files });
  const state = { ...records, ...(await openSecrets(options, records.hierarchy)) };
  const authorities = authoritiesOf(options, state);
  await foundHierarchy(state.hierarchy, authorities.maker, site);
  await proveSigningKeys(state.hierarchy, state.keys);
  await site.confirm();
  const issuance = issuanceOf(options, { ...state, ...authorities });
  return {
    ...state,
    ...authorities,
    ...issuance,
    ...publicationOf(options, { ...state, ...authorities, ...issuance }),
  };
}

/** Opens the keys certificates are signed with, each with a self-test: a wrong passphrase shows now, not to a device. */
async function proveSigningKeys({ all }: Hierarchy, keys: KeyStore): Promise<void> {
  // A root may be kept elsewhere between rotations.
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

/** What is in the store. */
function recordsOf({ store, clock, metricsRegistry }: SignerOptions) {
  const audit: SignerAuditLog = new AuditLog(store, clock);
  const outbox = new Outbox(store, 'outbox/');
  return {
    audit,
    outbox,
    hierarchy: new Hierarchy(store, audit, outbox),
    inventory: new Inventory(store, clock),
    metrics: new SignerMetrics(metricsRegistry),
  };
}

/** What is in files; made for a new site. */
async function openSecrets({ settings, log }: SignerOptions, hierarchy: Hierarchy) {
  const { keyDirectory, passphraseFile, pepperFile } = settings.files;
  if (hierarchy.isFounded && !(await exists(pepperFile)))
    log.warn({}, 'the secret of one-time tokens was missing and is made anew, so tokens made before are void');
  return {
    keys: await FileKeyStore.at({ directory: keyDirectory, passphraseFile }),
    pepper: await readOrCreateSecret(pepperFile),
  };
}

type State = ReturnType<typeof recordsOf> & Awaited<ReturnType<typeof openSecrets>>;

function authoritiesOf({ clock, settings }: SignerOptions, { keys, audit, inventory, hierarchy }: State) {
  const maker = new AuthorityMaker(keys, audit, clock, settings);
  const leafValidity = { device: settings.deviceValiditySeconds, service: settings.serviceValiditySeconds };
  const longestLeaf = Math.max(leafValidity.device, leafValidity.service);
  return {
    maker,
    rotation: new Rotation(hierarchy, maker, inventory, clock, leafValidity),
    importer: new AuthorityImporter(hierarchy, maker, keys, clock, longestLeaf / 2),
  };
}

type Authorities = ReturnType<typeof authoritiesOf>;

function issuanceOf(options: SignerOptions, parts: State & Authorities) {
  const { store, clock, settings, registry } = options;
  const { hierarchy } = parts;
  const { organization, trustDomain, publicUrl, deviceValiditySeconds, serviceValiditySeconds: service } = settings;
  const validitySeconds = { device: deviceValiditySeconds, service, admin: service, server: service };
  const names = { organization, trustDomain, publicUrl };
  const issuer = new CertificateIssuer({ ...parts, ...names, store, clock, validitySeconds });
  const refusals = new RefusalLog(parts.audit, parts.metrics);
  const issuance = new Issuance({ ...parts, issuer, registry, refusals });
  const tokens = new OneTimeTokens({
    ...parts,
    store,
    clock,
    defaultValiditySeconds: settings.tokenValiditySeconds,
    rootFingerprint: () => hierarchy.rootFingerprint,
  });
  return {
    issuer,
    tokens,
    enrolment: new Enrolment({
      ...parts,
      tokens,
      issuance,
      limits: { ...callerLimits(clock, nameLimit), guesses: new RateLimit(clock, nameLimit) },
    }),
    // Its own: what a device asks of enrolment must not keep it from renewing.
    renewal: new Renewal({
      ...parts,
      store,
      clock,
      issuance,
      limits: callerLimits(clock, renewalLimit),
    }),
    adminSigning: new AdminSigning(issuance, hierarchy),
  };
}

function callerLimits(clock: Clock, byName: RateLimitOptions): CallerLimits {
  return { byAddress: new RateLimit(clock, addressLimit), byName: new RateLimit(clock, byName) };
}

type Issuance = ReturnType<typeof issuanceOf>;

function publicationOf({ store, clock, log, settings }: SignerOptions, parts: State & Authorities & Issuance) {
  const { crlValiditySeconds: validitySeconds, crlIntervalSeconds: intervalSeconds, files, hostnames } = settings;
  return {
    revocation: new Revocation({ ...parts, store, clock }),
    crls: new CrlPublisher({ ...parts, store, clock, log, validitySeconds, intervalSeconds }),
    serverCertificate: new ServerCertificate({
      ...parts,
      clock,
      path: files.serverIdentityFile,
      names: () => serverNames(hostname(), hostnames),
    }),
  };
}
