import { Controller } from '@nestjs/common';
import { RpcHandler } from '@sallyport/mqtt';
import { introduceRegistry, Problem, type SiteId, siteRecord } from '@sallyport/protocol';
import { Store } from '@sallyport/store';
import { siteKey } from './site-membership.js';

const registryKey = 'site-of-registry';

/** Tells the device registry which site this is, and remembers that it belongs to it. */
@Controller()
export class SiteResponder {
  constructor(private readonly store: Store) {}

  @RpcHandler(introduceRegistry)
  async introduce({ siteId }: { readonly siteId?: SiteId }) {
    const entry = await this.store.get(siteKey);
    if (entry === undefined) throw new Problem('unavailable', 'The signer does not know its site yet.');
    const site = siteRecord.parse(entry.value);
    const wasKnown = (await this.store.get(registryKey))?.value === site.siteId;
    if (!wasKnown && siteId === site.siteId) await this.store.put(registryKey, siteId);
    return { site, wasKnown };
  }
}
