import { hostname } from 'node:os';
import { AuditLog, logLines } from '@sallyport/audit';
import { exists } from '@sallyport/files';
import { leftOutName, ServerCertificate, serverNames } from '@sallyport/identity';
import { deviceId, hubIdOf } from '@sallyport/protocol';
import type { Clock, Log, ServiceContext } from '@sallyport/runtime';
import { Outbox, type Store } from '@sallyport/store';
import { type SignerAction, sentenceOf } from './audit/signer-audit.js';
import { openSignerJournal } from './audit/signer-journal.js';
import { AuthorityImporter } from './authority/authority-import.js';
import { AuthorityMaker } from './authority/authority-maker.js';
import { foundHierarchy } from './authority/founding.js';
import { Hierarchy } from './authority/hierarchy.js';
import { RootPublisher } from './authority/root-publisher.js';
import { Rotation } from './authority/rotation.js';
import { CrlFile } from './crl/crl-file.js';
import { CrlPublisher } from './crl/crl-publisher.js';
import { enrolmentLimits, renewalLimits } from './enrolment/caller-limits.js';
import { Enrolment } from './enrolment/enrolment.js';
import { OneTimeTokens } from './enrolment/one-time-tokens.js';
import { OutdatedRenewal } from './enrolment/outdated-renewal.js';
import { Renewal } from './enrolment/renewal.js';
import { Adoption } from './inventory/adoption.js';
import { Inventory } from './inventory/inventory.js';
import { Revocation } from './inventory/revocation.js';
import { ServiceLocks } from './inventory/service-locks.js';
import { SupersededIdentities } from './inventory/superseded-identities.js';
import { UnknownRevocations } from './inventory/unknown-revocations.js';
import { AdminSigning } from './issuance/admin-signing.js';
import { CertificateIssuer } from './issuance/certificate-issuer.js';
import { Issuance } from './issuance/issuance.js';
import { RefusalAudit } from './issuance/refusal-audit.js';
import type { RegistryGate } from './issuance/registry-gate.js';
import { SignerMetrics } from './issuance/signer-metrics.js';
import { ServerIssuance } from './server-certificate/server-issuance.js';
import type { SignerSettings } from './signer-settings.js';
import { FileKeyStore } from './signing-key/file-key-store.js';
import { proveSigningKeys } from './signing-key/prove-signing-keys.js';
import { readOrCreateSecret } from './signing-key/secret-file.js';
import { KeyStore } from './signing-key/signing-key.js';
import { SiteMembership } from './site/site-membership.js';

export interface SignerOptions {
  /** Below the signer's own prefix. */
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly metricsRegistry: ServiceContext['metrics'];
  readonly registry: RegistryGate;
  readonly settings: SignerSettings;
}

const signerName = deviceId.parse('pki-signer');

/** The parts of the signer. Nest knows each by its class. */
export const signerParts = {
  audit: AuditLog<SignerAction>,
  outbox: Outbox,
  metrics: SignerMetrics,
  hierarchy: Hierarchy,
  inventory: Inventory,
  keys: KeyStore,
  rotation: Rotation,
  importer: AuthorityImporter,
  tokens: OneTimeTokens,
  enrolment: Enrolment,
  renewal: Renewal,
  adminSigning: AdminSigning,
  revocation: Revocation,
  unknown: UnknownRevocations,
  serviceLocks: ServiceLocks,
  superseded: SupersededIdentities,
  crls: CrlPublisher,
  serverIssuance: ServerIssuance,
  serverCertificate: ServerCertificate,
};

export type Signer = { readonly [Name in keyof typeof signerParts]: InstanceType<(typeof signerParts)[Name]> };

/**
 * Puts the signer together; makes the CA hierarchy of a new site. Each line needs only what is above it.
 *
 * @throws Problem `site-incomplete`: part of the site is lost, so that it is neither whole nor new
 * @throws Problem `signing-key-unavailable`: CA keys or what opens them are missing or damaged
 */
export async function openSigner(options: SignerOptions): Promise<Signer> {
  const { store, clock, log, registry, settings } = options;
  const { files, organization, trustDomain, publicUrl } = settings;
  const { deviceValiditySeconds: device, serviceValiditySeconds: service } = settings;

  const journal = await openSignerJournal({ store, clock, log, folder: files.journalFolder });
  const audit = new AuditLog<SignerAction>(store, clock, { journal, onWritten: logLines(log, sentenceOf) });
  const outbox = new Outbox(store, 'outbox/');
  const hierarchy = new Hierarchy(store, audit, outbox, clock);
  await hierarchy.load();

  // The site must be whole, or new, before anything is issued.
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

  const metrics = new SignerMetrics(options.metricsRegistry);
  const inventory = new Inventory(store, clock);
  const roots = new RootPublisher(hierarchy, maker, clock, Math.max(device, service));
  const rotation = new Rotation(hierarchy, maker, inventory, clock, { device, service }, roots);
  const importer = new AuthorityImporter(hierarchy, roots, keys, clock, Math.max(device, service) / 2);
  const revocation = new Revocation({ store, inventory, audit, outbox, clock, onRevoked: () => crls.buildSoon() });
  const unknown = new UnknownRevocations({
    ...{ store, inventory, hierarchy, revocation, audit, outbox, clock, log },
    onRevoked: () => crls.buildSoon(),
  });
  const superseded = new SupersededIdentities({ store, inventory, revocation });

  await unknown.takeInLists(files.revocationLists, 'restore');

  const hubId = settings.hubId ?? hubIdOf(site.siteId);
  const issuer = new CertificateIssuer({
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
    hubId,
    validitySeconds: { device, service, admin: service, server: service, hub: service },
  });
  const refusals = new RefusalAudit(audit, metrics);
  const issuance = new Issuance({ hierarchy, registry, issuer, refusals, metrics });
  const tokens = new OneTimeTokens({
    store,
    audit,
    clock,
    pepper,
    defaultValiditySeconds: settings.tokenValiditySeconds,
    rootFingerprint: () => hierarchy.rootFingerprint,
  });
  const limits = enrolmentLimits(clock);
  const enrolment = new Enrolment({ issuance, tokens, inventory, superseded, metrics, limits });
  const serviceLocks = new ServiceLocks(store);
  const outdated = new OutdatedRenewal({ inventory, clock, graceSeconds: settings.renewalGraceSeconds });
  const adoption = new Adoption({ store, inventory, hierarchy, audit, outbox, clock });
  const renewalParts = { adoption, outdated, serviceLocks, registry, limits: renewalLimits(clock) };
  const renewal = new Renewal({ issuance, inventory, store, clock, ...renewalParts });
  const adminSigning = new AdminSigning(issuance, hierarchy);

  const path = settings.crlFile;
  const crls = new CrlPublisher({
    store,
    hierarchy,
    keys,
    clock,
    metrics,
    log,
    journal,
    validitySeconds: settings.crlValiditySeconds,
    intervalSeconds: settings.crlIntervalSeconds,
    ...(path === undefined ? {} : { file: new CrlFile({ path, store, hierarchy, inventory, clock, log }) }),
  });
  const serverIssuance = new ServerIssuance({ issuer, hierarchy, inventory, clock, hubId });
  const names = () => serverNames(hostname(), settings.hostnames);
  const leftOut = leftOutName(hostname());
  if (leftOut !== undefined) log.info({ ...leftOut }, 'the name of this machine can be in no certificate');
  const serverCertificate = new ServerCertificate({
    clock,
    path: files.serverIdentityFile,
    commonName: signerName,
    names,
    issue: (request) =>
      serverIssuance.issue({ name: signerName, request, permittedHosts: names().map(({ value }) => value) }),
    isObsolete: (certificate) => serverIssuance.isObsolete(certificate),
  });

  return {
    audit,
    outbox,
    metrics,
    hierarchy,
    inventory,
    keys,
    rotation,
    importer,
    tokens,
    enrolment,
    renewal,
    adminSigning,
    revocation,
    unknown,
    serviceLocks,
    superseded,
    crls,
    serverIssuance,
    serverCertificate,
  };
}
