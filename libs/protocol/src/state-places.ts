import { join } from 'node:path';
import type { EntranceName, ServiceName } from './entrances.js';

/** Folders of what Sallyport writes for itself. None of them holds anything an operator writes. */
export const stateFolders = {
  /** The level each listener last had. */
  levels: 'doors',
  /** Which site this is. */
  markers: 'site',
  /** What the signer keeps secret, but for the CA keys. */
  secrets: 'pki',
  /** Keys that sign the audit logs. */
  audit: 'audit',
  /** What the services must not forget, whatever happens to the store. */
  journal: 'journal',
  /** What the registry keeps secret. */
  registry: 'registry',
  /** Certificates and keys of the services. */
  services: 'service-certs',
  /** What programs of this machine show as clients. */
  client: 'client-certs',
  /** What its operator shows to admin APIs. */
  administrator: 'admin-certs',
} as const;

/** Where each file of `stateFolders` is, for services and CLI alike. */
export interface StatePlaces {
  readonly markers: string;
  readonly secrets: string;
  /** Opens the CA keys. It is kept apart from them, so that one backup alone gives nobody a key. */
  readonly passphrase: string;
  /** Keys the digests of one-time tokens. */
  readonly tokenSecret: string;
  /** Key and certificate of the signer's own listener. */
  readonly signerIdentity: string;
  /** Signs what is sent to webhooks. */
  readonly webhookSecret: string;
  /** Signs the checkpoints of a service's audit log. */
  auditKeyOf(service: ServiceName): string;
  journalOf(service: ServiceName): string;
  /** Is there while a backup is restored. A service does not start then. */
  readonly restoring: string;
  /** CRLs, in PEM or DER, whose revocations the signer takes in when it starts. */
  readonly revocationLists: string;
  /** A folder for each service that has a certificate. */
  readonly services: string;
  markerOf(service: ServiceName): string;
  folderOf(owner: ServiceName | 'client' | 'administrator'): string;
  levelOf(name: EntranceName): string;
}

/** @param stateDirectory absolute path: `state.path` */
export function statePlaces(stateDirectory: string): StatePlaces {
  const inFolder = (folder: keyof typeof stateFolders, ...names: string[]) =>
    join(stateDirectory, stateFolders[folder], ...names);
  return {
    markers: inFolder('markers'),
    secrets: inFolder('secrets'),
    passphrase: inFolder('secrets', 'key-passphrase'),
    tokenSecret: inFolder('secrets', 'token-pepper'),
    signerIdentity: inFolder('secrets', 'server-identity.pem'),
    auditKeyOf: (service) => inFolder('audit', `${service}.pem`),
    journalOf: (service) => inFolder('journal', service),
    restoring: inFolder('markers', 'restoring'),
    revocationLists: inFolder('secrets', 'revocation-lists'),
    webhookSecret: inFolder('registry', 'webhook-secret'),
    services: inFolder('services'),
    markerOf: (service) => inFolder('markers', `${service}.json`),
    folderOf: (owner) =>
      owner === 'client' || owner === 'administrator' ? inFolder(owner) : inFolder('services', owner),
    levelOf: (name) => inFolder('levels', `${name}.json`),
  };
}
