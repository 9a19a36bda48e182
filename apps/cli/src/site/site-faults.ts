import type { SiteParts } from './site-parts.js';

/** Which parts of a site do not fit together, in words; empty when all is well or the site is new. */
export function siteFaults(parts: SiteParts): string[] {
  const { signer, registry, hasKeys, hasPassphrase, store } = parts;
  const isFounded = signer?.state === 'founded' || (signer === undefined && (hasKeys || hasPassphrase));
  const isStored = store.kind === 'site' || store.kind === 'older-site';
  return [
    ...(isFounded ? storeFaults(parts) : []),
    ...((isFounded || isStored) && !hasKeys ? ['The CA keys are missing.'] : []),
    ...((isFounded || isStored) && !hasPassphrase ? ['The passphrase of the CA keys is missing.'] : []),
    ...(store.kind === 'site' && signer !== undefined && store.record.siteId !== signer.siteId
      ? [`The store is of site ${store.record.siteId}, the configuration directory of site ${signer.siteId}.`]
      : []),
    ...(registry !== undefined && signer !== undefined && registry.siteId !== signer.siteId
      ? [`The device registry belongs to site ${registry.siteId}, the signer to site ${signer.siteId}.`]
      : []),
  ];
}

function storeFaults({ store }: SiteParts): string[] {
  if (store.kind === 'missing') return ['The store is missing.'];
  if (store.kind === 'no-site') return ['The store does not know this site: it was emptied, or is another one.'];
  return store.kind === 'unreadable' ? ['The store cannot be read.'] : [];
}
