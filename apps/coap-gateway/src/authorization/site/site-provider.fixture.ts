import { ocfUuid } from '@sallyport/protocol';
import { openRedisStore, openSqliteStore, type Store } from '@sallyport/store';
import { spawnRedis, TestClock, temporaryDirectory } from '@sallyport/testkit';
import { ProviderAuthorization } from '../provider-authorization.js';
import type { TokenProvider } from '../token-provider.js';
import { SharedKeys } from './shared-keys.js';
import { SiteCodes } from './site-codes.js';
import { SiteGrants } from './site-grants.js';
import { SiteProvider } from './site-provider.js';
import { openTokenKey } from './token-key.js';

export const lamp = ocfUuid.parse('b5a2a42e-b285-42f1-a36b-034c8fc8efd5');

export type Engine = 'SQLite' | 'Redis';

/** The provider of a site with one store, at as many gateways as the test wants. */
export class TestSite implements AsyncDisposable {
  readonly codes: SiteCodes;
  readonly grants: SiteGrants;
  /** Devices whose tokens ended, because an old one came back. */
  readonly robbed: string[] = [];

  private constructor(
    private readonly opened: AsyncDisposableStack,
    readonly store: Store,
    readonly clock: TestClock,
    readonly keyFile: string,
  ) {
    this.codes = new SiteCodes(store);
    this.grants = new SiteGrants(store, (device) => this.robbed.push(device));
  }

  static async open(engine: Engine = 'SQLite', clock = new TestClock(new Date('2026-06-01T12:00:00Z'))) {
    const opened = new AsyncDisposableStack();
    const directory = opened.adopt(temporaryDirectory(), (folder) => folder.remove());
    const store = opened.adopt(await openStore(), (each) => each.close());
    return new TestSite(opened, store, clock, directory.file('service-certs', 'token-key.pem'));

    async function openStore(): Promise<Store> {
      if (engine === 'SQLite') return openSqliteStore({ file: directory.file('store.db'), clock: clock.nowMs });
      const { url } = opened.adopt(await spawnRedis(), (redis) => redis.kill());
      return openRedisStore({ url, clock: clock.nowMs });
    }
  }

  /** A gateway with a key of its own, when its file is another one. */
  async gateway(keyFile = this.keyFile): Promise<SiteProvider> {
    const keys = new SharedKeys(this.store);
    const key = await openTokenKey(keyFile);
    await keys.announce(key, 7200);
    const { codes, grants, clock } = this;
    const claims = { ownerClaim: 'sub', deviceIdClaim: undefined, audience: undefined, validitySeconds: 3600 };
    return new SiteProvider({ ...claims, codes, grants, keys, key, now: () => clock.now() });
  }

  async code(owner = 'alice', device = lamp): Promise<string> {
    const expiresAt = new Date(this.clock.nowMs() + 600_000).toISOString();
    const { code, operations } = this.codes.make({ device, owner, expiresAt }, 600);
    await this.store.transaction([], operations);
    return code;
  }

  /** @param others providers beside that of the site */
  async authorization(others: readonly TokenProvider[] = []): Promise<ProviderAuthorization> {
    return new ProviderAuthorization({
      tokens: { ownerClaim: 'sub', deviceIdClaim: undefined, audience: undefined, validitySeconds: 3600 },
      providers: [await this.gateway(), ...others],
      onUnavailable: (fault) => {
        throw fault;
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.opened.disposeAsync();
  }
}
