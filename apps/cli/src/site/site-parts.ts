import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Settings } from '@sallyport/config';
import { readSiteMarker, siteMarkerPath } from '@sallyport/identity';
import { type AuthorityId, type SiteMarker, type SiteRecord, siteRecord, statePlaces } from '@sallyport/protocol';
import { authorityIdOf, parseCertificate } from '@sallyport/x509';
import { z } from 'zod';
import { exists } from '../cert/device-files.js';

/** Where the parts of a site lie on this machine. */
export interface SitePlaces {
  /** Markers of the site, one a service. */
  readonly markers: string;
  /** Passphrase of the CA keys, secret of the tokens, the signer's own certificate. */
  readonly secrets: string;
  readonly keys: string;
  /** Folder of the embedded store; undefined when `store.url` names another. */
  readonly store: string | undefined;
  /** Journal of the embedded broker: sessions, messages that wait, and retained messages. */
  readonly brokerJournal: string;
  /** The broker that keeps them in its place: `mqtt.broker.url`. */
  readonly otherBroker: string | undefined;
}

/** What is in the embedded store. Another store is not read. */
export type StoreKnowledge =
  | { readonly kind: 'elsewhere' | 'missing' | 'no-site' | 'unreadable' | 'older-site' }
  | { readonly kind: 'site'; readonly record: SiteRecord };

/** The parts of a site, as far as they are on this machine. */
export interface SiteParts {
  readonly places: SitePlaces;
  readonly signer: SiteMarker | undefined;
  readonly registry: SiteMarker | undefined;
  readonly hasKeys: boolean;
  readonly hasPassphrase: boolean;
  /** A service of this machine has been given a certificate, here or on another machine. */
  readonly hasServiceCertificates: boolean;
  readonly store: StoreKnowledge;
}

/** @throws Problem `site-incomplete`: a marker is damaged */
export async function readSiteParts(settings: Settings): Promise<SiteParts> {
  const places = sitePlaces(settings);
  return {
    places,
    signer: await readSiteMarker(siteMarkerPath(settings.stateDirectory, 'pki-signer')),
    registry: await readSiteMarker(siteMarkerPath(settings.stateDirectory, 'device-registry')),
    hasKeys: (await namesIn(places.keys)).some((name) => name.endsWith('.key.pem')),
    hasPassphrase: await exists(statePlaces(settings.stateDirectory).passphrase),
    hasServiceCertificates: await haveCertificates(statePlaces(settings.stateDirectory).services),
    store: await knowledgeOf(places.store),
  };
}

/** Whether anything of a site is here. */
export function isAnyPartHere(parts: SiteParts): boolean {
  const { signer, registry, hasKeys, hasPassphrase, hasServiceCertificates, store } = parts;
  const isKnown = store.kind === 'site' || store.kind === 'older-site';
  const hasFiles = hasKeys || hasPassphrase || hasServiceCertificates;
  return signer !== undefined || registry !== undefined || hasFiles || isKnown;
}

async function haveCertificates(folder: string): Promise<boolean> {
  const services = await namesIn(folder);
  const found = await Promise.all(services.map((service) => exists(join(folder, service, 'certificate.pem'))));
  return found.includes(true);
}

function sitePlaces(settings: Settings): SitePlaces {
  const { stateDirectory, dataDirectory } = settings;
  const { markers, secrets } = statePlaces(stateDirectory);
  const dataPath = settings.require('data.path');
  return {
    markers,
    secrets,
    keys: join(dataDirectory, 'pki', 'keys'),
    store: settings.get('store.url') === undefined ? join(dataPath, 'store') : undefined,
    brokerJournal: join(dataPath, 'mqtt-broker'),
    otherBroker: settings.get('mqtt.broker.url'),
  };
}

async function knowledgeOf(folder: string | undefined): Promise<StoreKnowledge> {
  if (folder === undefined) return { kind: 'elsewhere' };
  const file = join(folder, 'sallyport.db');
  if (!(await exists(file))) return { kind: 'missing' };
  try {
    return knowledgeIn(file);
  } catch {
    // Damaged, or of another user. The service that opens it will tell more.
    return { kind: 'unreadable' };
  }
}

const valueRow = z.object({ value: z.string() });

function knowledgeIn(file: string): StoreKnowledge {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const query = database.prepare('SELECT value FROM entries WHERE key = ?');
    const site = query.get('pki-signer/site');
    if (site !== undefined) return { kind: 'site', record: siteRecord.parse(JSON.parse(valueRow.parse(site).value)) };
    return { kind: query.get('pki-signer/trust-bundle') === undefined ? 'no-site' : 'older-site' };
  } finally {
    database.close();
  }
}

const authorityRow = z.object({ certificate: z.base64() });

/** CAs the signer kept in an embedded store; none when it cannot be read. */
export function authoritiesInStore(folder: string | undefined): AuthorityId[] {
  if (folder === undefined) return [];
  try {
    using database = new DatabaseSync(join(folder, 'sallyport.db'), { readOnly: true });
    const rows = database.prepare("SELECT value FROM entries WHERE key GLOB 'pki-signer/authority/*'").all();
    return rows.map((row) => {
      const { certificate } = authorityRow.parse(JSON.parse(valueRow.parse(row).value));
      return authorityIdOf(parseCertificate(Buffer.from(certificate, 'base64')));
    });
  } catch {
    // Missing, damaged or of another user. The trust files of the services are read too.
    return [];
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
