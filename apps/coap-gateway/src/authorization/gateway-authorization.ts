import { type BeforeApplicationShutdown, Injectable, type OnModuleInit } from '@nestjs/common';
import { PeriodicWork } from '@sallyport/concurrency';
import { ConnectedContext, FaultLog, reasonOf } from '@sallyport/runtime';
import { type AccessToken, Authorization, type TokenSet } from './authorization.js';
import { readAuthorizationSettings } from './authorization-settings.js';
import { type OidcProvider, openOidcProviders } from './oidc-providers.js';
import { ProviderAuthorization } from './provider-authorization.js';
import { SiteAuthority } from './site/site-authority.js';

const deadlineMs = 10_000;
// How soon a provider that could not be asked at the start is asked again.
const retryMs = 2_000;

/**
 * The providers of the settings, and that of this site. The gateway starts without them, and is not ready until each has described itself: one
 * that is down later costs its own devices only.
 */
@Injectable()
export class GatewayAuthorization extends Authorization implements OnModuleInit, BeforeApplicationShutdown {
  private readonly faults: FaultLog;
  private authorization: Authorization | undefined;
  private undescribed: readonly OidcProvider[] = [];
  private readonly discovery: PeriodicWork;

  constructor(
    private readonly context: ConnectedContext,
    private readonly site: SiteAuthority,
  ) {
    super();
    this.faults = new FaultLog(context.log, context.clock, 'an authorization provider cannot be asked');
    this.discovery = new PeriodicWork({
      everyMs: retryMs,
      work: () => this.describeAll(),
      onError: (error) => this.faults.note(error),
    });
    context.readiness.add('authorization', () => this.fault());
  }

  /** @throws Problem `config-invalid` */
  async onModuleInit(): Promise<void> {
    const { settings, clock } = this.context;
    const tokens = await readAuthorizationSettings(settings);
    const oidc = openOidcProviders(tokens.providers, { tokens, now: () => clock.now(), deadlineMs });
    const onUnavailable = (fault: Error) => this.faults.note(fault);
    const providers = [await this.site.open(tokens), ...oidc];
    this.authorization = new ProviderAuthorization({ tokens, providers, onUnavailable });
    this.undescribed = oidc;
    this.discovery.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all([this.discovery.stop(), this.site.close()]);
  }

  verify(accessToken: string): Promise<AccessToken> {
    return this.opened.verify(accessToken);
  }

  exchange(provider: string, code: string): Promise<TokenSet> {
    return this.opened.exchange(provider, code);
  }

  refresh(provider: string | undefined, refreshToken: string): Promise<TokenSet> {
    return this.opened.refresh(provider, refreshToken);
  }

  private get opened(): Authorization {
    if (this.authorization === undefined) throw new Error('asked before the settings are read');
    return this.authorization;
  }

  private fault(): string | undefined {
    const names = this.undescribed.map(({ name }) => name);
    return names.length === 0 ? undefined : `the providers ${names.join(', ')} have not answered yet`;
  }

  private async describeAll(): Promise<void> {
    const outcomes = await Promise.all(
      this.undescribed.map(async (provider) => {
        try {
          await provider.requireDescription();
          return [];
        } catch (error) {
          this.faults.note(reasonOf(error));
          return [provider];
        }
      }),
    );
    this.undescribed = outcomes.flat();
  }
}
