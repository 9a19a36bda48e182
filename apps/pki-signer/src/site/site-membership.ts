import { randomBytes } from 'node:crypto';
import { exists } from '@sallyport/files';
import { readSiteMarker, writeSiteMarker, writeSiteMarkerOnce } from '@sallyport/identity';
import { Problem, type SiteId, type SiteMarker, type SiteRecord, siteId, siteRecord } from '@sallyport/protocol';
import type { Clock, Log } from '@sallyport/runtime';
import type { Operation, Store } from '@sallyport/store';
import type { SignerAuditEntry, SignerAuditLog } from '../audit/signer-audit.js';
import type { Hierarchy } from '../authority/hierarchy.js';
import type { SignerFiles } from '../signer-settings.js';
import { siteTraces } from './site-traces.js';

/** The key of the site's record in the signer's part of the store. */
export const siteKey = 'site';

export interface SiteMembershipOptions {
  readonly store: Store;
  readonly audit: SignerAuditLog;
  /** Already loaded. */
  readonly hierarchy: Hierarchy;
  readonly clock: Clock;
  readonly log: Log;
  readonly files: SignerFiles;
}

/**
 * The site that this signer belongs to. A site is founded once. The store, the CA keys and the marker in the
 * state directory must agree. If a part of them is lost, that is never treated as a first start.
 */
export class SiteMembership {
  private constructor(
    private readonly options: SiteMembershipOptions,
    private readonly marker: SiteMarker,
    /** Whether the store has a record of the site, and not only its CAs. */
    private readonly isRecorded: boolean,
  ) {}

  /** The id of the site. It never changes. */
  get siteId(): SiteId {
    return this.marker.siteId;
  }

  /**
   * Finds out which site this is. At a first start it writes the marker before anything else. If the process is killed
   * after that, the next start sees that the founding was not finished, and continues it.
   *
   * @throws Problem `site-incomplete`: there are traces of a site the store does not know, or the store is of another
   * @throws Problem `unavailable`: a site would be founded by a clock that was never set
   * @throws Problem `signing-key-unavailable`: the store knows the site, but the passphrase of its keys is gone
   */
  static async take(options: SiteMembershipOptions): Promise<SiteMembership> {
    const { store, hierarchy, files } = options;
    const entry = await store.get(siteKey);
    const recorded = entry && siteRecord.parse(entry.value);
    const marker = await readSiteMarker(files.markerFile);
    if (recorded !== undefined || hierarchy.isFounded) return SiteMembership.known(options, recorded, marker);
    requireSetClock(options.clock.now());
    if (marker?.state !== 'founding') {
      const traces = await siteTraces(files);
      if (marker !== undefined || traces.length > 0) throw unknownSite(marker, traces);
      await writeSiteMarkerOnce(files.markerFile, newMarker(options.clock.now()));
    }
    const founding = marker ?? (await readSiteMarker(files.markerFile));
    if (founding === undefined) throw new Error('the marker of the site has gone while it was founded');
    return new SiteMembership(options, founding, false);
  }

  private static async known(
    options: SiteMembershipOptions,
    recorded: SiteRecord | undefined,
    marker: SiteMarker | undefined,
  ): Promise<SiteMembership> {
    const { files, hierarchy, clock } = options;
    if (recorded !== undefined && marker !== undefined && recorded.siteId !== marker.siteId)
      throw otherSite(recorded, marker);
    // The last transaction of a founding also writes the record. So these CAs belong to an older site.
    if (recorded === undefined && marker?.state === 'founding') throw otherSite(undefined, marker);
    if (!(await exists(files.passphraseFile)))
      throw new Problem(
        'signing-key-unavailable',
        `The store knows this site, but the passphrase of its CA keys (pki/key-passphrase in the state directory) is missing. Restore it from the backup of the state directory (state.path), or correct state.path. ${withoutBackup}`,
      );
    if (recorded !== undefined) return new SiteMembership(options, marker ?? { ...recorded, state: 'founded' }, true);
    const root = hierarchy.all.find(({ record }) => record.id === 'root-1') ?? hierarchy.all[0];
    return new SiteMembership(options, marker ?? newMarker(root?.certificate.notBefore ?? clock.now()), false);
  }

  /** The change that writes the record of the site. It is part of the transaction that founds the site. */
  get record(): Operation {
    const { siteId, foundedAt, distrusted } = this.marker;
    return { put: siteKey, value: { siteId, foundedAt, distrusted } };
  }

  /** The audit rows of a founding that is not the first. */
  get entries(): SignerAuditEntry[] {
    const { siteId: subject, replaces, distrusted } = this.marker;
    if (replaces === undefined) return [];
    const details = { replaces, distrustedAuthorities: distrusted.length };
    return [{ action: 'site-refounded', actor: 'operator', subject, outcome: 'succeeded', details }];
  }

  /**
   * Call it when the CAs exist and their keys open, before anything is issued. A site of an older version gets its
   * record and its marker here. A site that has lost its marker gets it back.
   *
   * @throws Problem `site-incomplete`: another signer has founded another site in this store meanwhile
   */
  async confirm(): Promise<void> {
    if (!this.isRecorded) await this.recordIfAbsent();
    const entry = await this.options.store.get(siteKey);
    const recorded = siteRecord.parse(entry?.value);
    const { files, log } = this.options;
    const present = await readSiteMarker(files.markerFile);
    if (present !== undefined && present.siteId !== recorded.siteId) throw otherSite(recorded, present);
    if (present?.state === 'founded') return;
    try {
      // Use the stored record: when there was no marker, another replica may have chosen the id.
      await writeSiteMarker(files.markerFile, { ...this.marker, ...recorded, state: 'founded' });
    } catch (error) {
      // The configuration directory of a known site may be read-only. But the end of a founding must be written.
      if (present !== undefined) throw error;
      log.warn({ error }, 'marker of the site could not be written');
    }
  }

  private async recordIfAbsent(): Promise<void> {
    const { audit, store } = this.options;
    if ((await store.get(siteKey)) !== undefined) return;
    const { siteId: subject, foundedAt } = this.marker;
    const details = { foundedAt };
    // If another replica was faster, its record is read next.
    await audit.commit({
      compares: [{ key: siteKey, revision: 0 }],
      operations: [this.record],
      entries: [{ action: 'site-recorded', actor: 'signer', subject, outcome: 'succeeded', details }],
    });
  }
}

/** Written into a bundle by its build. Sources that run without a build have none. */
declare const SALLYPORT_BUILT_AT_SECONDS: number | undefined;

// The clock of a gateway without a battery starts in 1970, or on the day its system was built.
const earliestFounding =
  typeof SALLYPORT_BUILT_AT_SECONDS === 'number'
    ? new Date(SALLYPORT_BUILT_AT_SECONDS * 1000)
    : new Date('2026-01-01T00:00:00Z');

/** A site is founded once. If the clock is behind the build, it was never set, and its root would end too early. */
function requireSetClock(now: Date): void {
  if (now >= earliestFounding) return;
  throw new Problem(
    'unavailable',
    `The clock of this machine says ${now.toISOString()}, but it is later than ${earliestFounding.toISOString()}, when this program was built. The CA of this site would end too early. Nothing was made. Set the clock, or wait until a time server has set it, and start again.`,
  );
}

/** What to do when nothing can be restored. */
export const withoutBackup =
  'Without a backup: sallyport site refound, which makes a new CA and distrusts all that the old one issued.';

function newMarker(foundedAt: Date): SiteMarker {
  const id = siteId.parse(randomBytes(16).toString('hex'));
  return { siteId: id, foundedAt: foundedAt.toISOString(), distrusted: [], state: 'founding' };
}

function unknownSite(marker: SiteMarker | undefined, traces: readonly string[]): Problem {
  const site = marker === undefined ? [] : [`the marker of site ${marker.siteId}, founded ${marker.foundedAt}`];
  return new Problem(
    'site-incomplete',
    `This is no first start, but the store does not know the site. Found: ${[...site, ...traces].join('; ')}. Missing: its CAs, certificates and revocations in the store. No CA was made. Restore the store from its backup, or set store.url and data.path to where it is. ${withoutBackup}`,
  );
}

function otherSite(recorded: SiteRecord | undefined, marker: SiteMarker): Problem {
  const stored = recorded === undefined ? 'another site' : `site ${recorded.siteId}, founded ${recorded.foundedAt}`;
  return new Problem(
    'site-incomplete',
    `The store holds ${stored}, but the configuration directory belongs to site ${marker.siteId}. No CA was made. Set store.url and data.path to the store of this site, or to an empty one after "sallyport site refound", or use the configuration directory the store belongs to.`,
  );
}
