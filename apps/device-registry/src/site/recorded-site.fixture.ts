import { type Store, scopedStore } from '@sallyport/store';

/** Writes what a registry has in its store once it has heard of its site from the signer. */
export async function recordSite(store: Store): Promise<void> {
  const site = { siteId: 'ab'.repeat(16), foundedAt: '2026-06-01T12:00:00.000Z', distrusted: [] };
  await scopedStore(store, 'device-registry/').put('site', site);
}
