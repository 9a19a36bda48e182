import { access } from 'node:fs/promises';
import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { AuditLog } from '@sallyport/audit';
import type { Settings } from '@sallyport/config';
import { readSiteMarker, siteMarkerPath, writeSiteMarkerOnce } from '@sallyport/identity';
import {
  type CertificateAdmissionRequest,
  type DistrustedAuthority,
  introduceRegistry,
  Problem,
  type SiteMarker,
  type SiteRecord,
  siteRecord,
  statePlaces,
} from '@sallyport/protocol';
import { ConnectedContext } from '@sallyport/runtime';
import { Store } from '@sallyport/store';

/** Key of the site in the registry's part of the store. */
const siteKey = 'site';
// At the very first start the signer founds the site a moment after the registry has started.
const joinIntervalMs = 2_000;
// Entrances wait for this answer, at most three seconds.
const answerDeadlineMs = 1_500;

/**
 * The site of this registry. A registry that has lost its devices would admit revoked ones, because their CA still
 * vouches for them. So a registry that is empty although the site is not new does not start.
 */
@Injectable()
export class RegistrySite implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private site: SiteRecord | undefined;
  /** What is wrong, as the answer of the signer showed. */
  private loss: string | undefined;
  private distrusted: ReadonlySet<DistrustedAuthority> = new Set();
  private joining: NodeJS.Timeout | undefined;
  private learning: Promise<void> | undefined;

  constructor(
    private readonly context: ConnectedContext,
    private readonly store: Store,
    private readonly audit: AuditLog,
  ) {}

  /**
   * Compares the site in the store with the site in the configuration directory.
   *
   * @throws Problem `site-incomplete`: the registry's part of the store is lost, or belongs to another site
   */
  static async open(context: ConnectedContext, store: Store, audit: AuditLog): Promise<RegistrySite> {
    const site = new RegistrySite(context, store, audit);
    context.readiness.add('site', () => site.fault());
    await site.compare();
    return site;
  }

  onApplicationBootstrap(): void {
    // The signer may start after the registry.
    this.joining = setInterval(() => void this.learn(), joinIntervalMs);
    this.joining.unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.joining);
    await this.learning;
  }

  /**
   * Whether a CA above a certificate belongs to an earlier site. Such a CA vouches for nobody any more, whatever
   * certificate it has for its key and name.
   */
  isDistrusted({ knownIssuerFingerprints, authorities }: CertificateAdmissionRequest): boolean {
    return [...knownIssuerFingerprints, ...authorities].some((authority) => this.distrusted.has(authority));
  }

  /**
   * Call it before an unknown peer is admitted or gets a certificate. If the store was emptied while the registry runs,
   * revoked devices look unknown. Until the registry has joined the site, only the signer knows whether there was a
   * store before this one.
   *
   * @throws Problem `site-incomplete`: the store does not know the site any more
   * @throws Problem `unavailable`: the signer has not answered yet
   */
  async requireKnown(): Promise<void> {
    // The question under way may be older than the start of the signer. So ask once more.
    await this.learning;
    if (this.isUncertain) await this.learn();
    const fault = await this.fault();
    if (fault !== undefined) throw new Problem('site-incomplete', `The device registry ${fault}.`);
    if (this.isUncertain)
      throw new Problem(
        'unavailable',
        'The device registry does not know its site yet, so it may have lost revoked devices. Start the signer, which can tell.',
      );
  }

  private get isUncertain(): boolean {
    return this.site === undefined && this.loss === undefined;
  }

  private async fault(): Promise<string | undefined> {
    if (this.loss !== undefined) return this.loss;
    if (this.site === undefined || (await this.store.get(siteKey)) !== undefined) return undefined;
    return `has lost site ${this.site.siteId}: the store was emptied or exchanged. Restore it from its backup`;
  }

  private async compare(): Promise<void> {
    const { settings } = this.context;
    const [own, founded] = await Promise.all([
      readSiteMarker(siteMarkerPath(settings.stateDirectory, 'device-registry')),
      readSiteMarker(siteMarkerPath(settings.stateDirectory, 'pki-signer')),
    ]);
    const recorded = await this.recorded();
    this.trustAs(recorded ?? founded);
    for (const marker of [own, founded])
      if (recorded !== undefined && marker !== undefined && marker.siteId !== recorded.siteId)
        throw otherSite(recorded, marker);
    if (recorded !== undefined) return this.keepMarker(recorded);
    // Rows without the site are no proof: they may have been written after the store was emptied while the registry
    // ran.
    if (own !== undefined) throw lost(`the marker of site ${own.siteId}, founded ${own.foundedAt}`);
    const isEmpty = (await this.audit.head()).sequence === 0;
    if (isEmpty && founded === undefined && (await hasServedBefore(settings)))
      throw lost("the signer's certificate (pki/server-identity.pem)");
  }

  /** Asks the signer now. Calls during a question wait for its answer. */
  private learn(): Promise<void> {
    this.learning ??= this.introduce().finally(() => {
      this.learning = undefined;
    });
    return this.learning;
  }

  /**
   * Tells the signer which site the registry knows, until the signer has heard it. The signer remembers it, in case the
   * registry loses its store. So it is asked before the registry joins: `wasKnown` must be about the time before.
   */
  private async introduce(): Promise<void> {
    const { rpc, log, signal } = this.context;
    try {
      const before = await this.recorded();
      const request = before === undefined ? {} : { siteId: before.siteId };
      const { site, wasKnown } = await rpc.call(introduceRegistry, request, { deadlineMs: answerDeadlineMs, signal });
      // Another replica may have joined in the meantime.
      const known = before ?? (await this.recorded());
      this.loss = lossOf({ known, site, wasKnown });
      if (this.loss !== undefined) log.error({ reason: this.loss }, 'registry does not fit the site of the signer');
      else if (known === undefined) return await this.join(site);
      else if (this.site === undefined) await this.belongTo(known);
      if (before !== undefined || this.loss !== undefined) clearInterval(this.joining);
    } catch (error) {
      // If the signer is not running, it is asked again later. Other services report it as not ready.
      if (!(error instanceof Problem) || error.type !== 'unavailable')
        log.warn({ error }, 'registry could not store the id of its site, will try again');
    }
  }

  /** The site as known in memory, else from the store. */
  private async recorded(): Promise<SiteRecord | undefined> {
    if (this.site !== undefined) return this.site;
    const entry = await this.store.get(siteKey);
    return entry && siteRecord.parse(entry.value);
  }

  private async join({ siteId, foundedAt, distrusted }: SiteRecord): Promise<void> {
    const record = { siteId, foundedAt, distrusted };
    const details = { foundedAt, distrustedAuthorities: distrusted.length };
    await this.audit.commit({
      compares: [{ key: siteKey, revision: 0 }],
      operations: [{ put: siteKey, value: record }],
      entries: [{ action: 'site-recorded', actor: 'device-registry', subject: siteId, outcome: 'succeeded', details }],
    });
    await this.belongTo(record);
  }

  private async belongTo(record: SiteRecord): Promise<void> {
    this.trustAs(record);
    await this.keepMarker(record);
  }

  /** The configuration directory may be read-only. Then only the store holds the site. */
  private async keepMarker(record: SiteRecord): Promise<void> {
    const { settings, log } = this.context;
    this.site = record;
    const path = siteMarkerPath(settings.stateDirectory, 'device-registry');
    try {
      if ((await readSiteMarker(path)) === undefined) await writeSiteMarkerOnce(path, { ...record, state: 'founded' });
    } catch (error) {
      log.warn({ error }, 'marker of the site could not be written');
    }
  }

  private trustAs(record: SiteRecord | undefined): void {
    this.distrusted = new Set(record?.distrusted ?? []);
  }
}

/** Whether a signer on this machine has started before, also one of an older version: it leaves this file. */
async function hasServedBefore({ stateDirectory }: Settings): Promise<boolean> {
  return access(statePlaces(stateDirectory).signerIdentity).then(
    () => true,
    () => false,
  );
}

/** What the site of the signer says about ours, for readiness and refusals. */
function lossOf({ known, site, wasKnown }: { known: SiteRecord | undefined; site: SiteRecord; wasKnown: boolean }) {
  if (known === undefined)
    return wasKnown ? `has lost the devices of site ${site.siteId}. Restore its store from the backup` : undefined;
  if (known.siteId === site.siteId) return undefined;
  return `belongs to site ${known.siteId}, but the signer to site ${site.siteId}. Give both the stores of one site`;
}

function lost(found: string): Problem {
  return new Problem(
    'site-incomplete',
    `This is no first start, but the store knows no devices. Found: ${found}. Missing: devices and their states in the store, so that revoked ones would come back. Restore the store from its backup, or set store.url and data.path to where it is. Without a backup: sallyport site refound, which makes a new CA and distrusts all that the old one issued.`,
  );
}

function otherSite(recorded: SiteRecord, marker: SiteMarker): Problem {
  return new Problem(
    'site-incomplete',
    `The devices in the store are of site ${recorded.siteId}, founded ${recorded.foundedAt}, but the configuration directory belongs to site ${marker.siteId}. Set store.url and data.path to the store of this site, or to an empty one after "sallyport site refound", or use the configuration directory the store belongs to.`,
  );
}
