import type { AdminClient } from '@sallyport/admin-client';
import { readIdentity } from '@sallyport/identity';
import type { SecurityLevel } from '@sallyport/protocol';
import type { Certificate } from '@sallyport/x509';
import { Failure } from '../failure.js';
import { stepName } from '../site/secured-group.js';
import type { Site } from '../site/site.js';
import { fetchTrust, type SiteTrust } from '../site/trusted-roots.js';
import { administrator, ensureIdentity, type LocalIdentity, localClient, placeRoots } from './local-identity.js';
import type { ClientIdentity } from './probe.js';
import type { RunningEntrance } from './running-entrances.js';
import { type ServerCertificate, serverCertificateFor } from './server-certificates.js';
import type { StepLog } from './step-log.js';

/** A client as which this program can connect, with its name in the registry. */
export interface NamedClient extends ClientIdentity {
  readonly name: string;
}

/** Every certificate a level needs. Nothing uses them before the settings name them. */
export interface Preparation {
  readonly certificates: ReadonlyMap<RunningEntrance, ServerCertificate>;
  /** As which client to connect to which entrance; at level mutual. */
  readonly clients: ReadonlyMap<RunningEntrance, NamedClient>;
}

/** Level plain needs nothing. */
export const nothingPrepared: Preparation = { certificates: new Map(), clients: new Map() };

/**
 * Gets the certificates a level needs, for the listeners and for clients on this machine.
 *
 * @throws Failure: the step that failed; nothing has been switched
 */
export async function prepare(
  site: Site,
  running: readonly RunningEntrance[],
  { level, steps }: { level: Exclude<SecurityLevel, 'plain'>; steps: StepLog },
): Promise<Preparation> {
  const signer = await site.client('pki-signer');
  const siteTrust = await steps.run('get the CA of the site', () => keepRoots(site, signer));
  const certificates = new Map<RunningEntrance, ServerCertificate>();
  const issuance = { site, signer, siteTrust, level, running, enrolled: new Map() };
  for (const entrance of running)
    certificates.set(
      entrance,
      await steps.run(
        `certificate of ${stepName(entrance.secured, site.settings, entrance.description.profile)}`,
        () => serverCertificateFor(entrance, issuance),
        ({ origin }) => origin,
      ),
    );
  if (level === 'server') return { certificates, clients: new Map() };
  const clientIssuance = { signer, roots: siteTrust.roots, now: site.context.now() };
  const client = await prepareClient(localClient(site.settings), clientIssuance, steps);
  const admin = await prepareClient(administrator(site.settings), clientIssuance, steps);
  return { certificates, clients: clientsOf(running, { client, admin }) };
}

/** Connects as an administrator where only administrators may pass, and elsewhere as a client of this machine. */
function clientsOf(
  running: readonly RunningEntrance[],
  { client, admin }: { client: NamedClient; admin: NamedClient },
): ReadonlyMap<RunningEntrance, NamedClient> {
  return new Map(
    running.map((entrance) => [
      entrance,
      entrance.secured.permittedKinds?.includes('service') === false ? admin : client,
    ]),
  );
}

/** Writes the roots where clients of this machine look for them, even before those have a certificate. */
async function keepRoots(site: Site, signer: AdminClient): Promise<SiteTrust> {
  const siteTrust = await fetchTrust(signer);
  await placeRoots(localClient(site.settings), siteTrust.roots);
  return siteTrust;
}

async function prepareClient(
  identity: LocalIdentity,
  issuance: { signer: AdminClient; roots: readonly Certificate[]; now: Date },
  steps: StepLog,
): Promise<NamedClient> {
  const { name, files } = identity;
  await steps.run(
    `certificate of ${name}`,
    () => ensureIdentity(identity, issuance),
    (isNew) => (isNew ? 'issued' : 'kept'),
  );
  const stored = await readIdentity(files);
  if (stored === undefined) throw new Failure(`The certificate of ${name} is gone.`, 'Run the command again.');
  return { name, certPem: stored.certPem, keyPem: stored.keyPem };
}
