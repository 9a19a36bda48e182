import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { PeriodicWork } from '@sallyport/concurrency';
import { type DeviceId, ocfDeviceId, ocfUuidOf, statePlaces } from '@sallyport/protocol';
import { FaultLog, ServiceContext } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import { DeviceOwners } from '../../sessions/device-owners.js';
import type { TokenSettings } from '../authorization-settings.js';
import { SharedKeys } from './shared-keys.js';
import { SiteCodes } from './site-codes.js';
import { SiteGrants } from './site-grants.js';
import { SiteProvider } from './site-provider.js';
import { openTokenKey, type TokenKey } from './token-key.js';

const announceMs = 3_600_000;

/** Opens the provider that this site is for itself, and ends what it granted when a device gets another owner. */
@Injectable()
export class SiteAuthority {
  private readonly grants: SiteGrants;
  private readonly keys: SharedKeys;
  private readonly endFaults: FaultLog;
  private readonly announceFaults: FaultLog;
  private announcing: PeriodicWork | undefined;
  private key: TokenKey | undefined;
  private stopListening: () => void = () => undefined;

  constructor(
    private readonly context: ServiceContext,
    private readonly store: Store,
    private readonly owners: DeviceOwners,
  ) {
    this.grants = new SiteGrants(store, (device) =>
      context.log.warn(
        { deviceId: ocfDeviceId(device) },
        'an old refresh token of a device came back, so all its tokens have ended',
      ),
    );
    this.keys = new SharedKeys(store);
    const { log, clock } = context;
    this.endFaults = new FaultLog(log, clock, 'the tokens of a device could not be ended');
    this.announceFaults = new FaultLog(log, clock, 'the key for access tokens could not be announced, will try again');
  }

  /** @throws Problem `config-invalid`: the file of its key cannot be used */
  async open(): Promise<void> {
    const { settings, name } = this.context;
    const key = await openTokenKey(join(statePlaces(settings.stateDirectory).folderOf(name), 'token-key.pem'));
    this.key = key;
    await this.announce(key);
    this.announcing = new PeriodicWork({
      everyMs: announceMs,
      work: () => this.announce(key),
      onError: this.announceFaults.note,
    });
    this.announcing.start();
    this.stopListening = this.owners.onChange((change) => {
      if (change !== 'resynchronise') void this.end(change).catch(this.endFaults.note);
    });
  }

  provider(tokens: TokenSettings): SiteProvider {
    const { key, keys, grants, context, store } = this;
    if (key === undefined) throw new Error('asked before it is open');
    const { clock } = context;
    return new SiteProvider({ ...tokens, codes: new SiteCodes(store), grants, keys, key, now: () => clock.now() });
  }

  async close(): Promise<void> {
    this.stopListening();
    await this.announcing?.stop();
  }

  /** Its tokens outlive a gateway that has just announced it, and stops. */
  private announce(key: TokenKey): Promise<void> {
    const validitySeconds = this.context.settings.require('coap.authorization.token_validity');
    return this.keys.announce(key, validitySeconds + (2 * announceMs) / 1000);
  }

  private async end({ deviceId, owner }: { readonly deviceId: DeviceId; readonly owner?: string | undefined }) {
    const device = ocfUuidOf(deviceId);
    const granted = device === undefined ? undefined : await this.grants.ownerOf(device);
    if (device === undefined || granted === undefined || granted === owner) return;
    // An announcement from before the last sign-up may come late.
    if (!(await this.owners.isOwner({ deviceId, owner: granted }))) await this.grants.end(device, granted);
  }
}
