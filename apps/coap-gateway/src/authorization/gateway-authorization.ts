import { type BeforeApplicationShutdown, Injectable, type OnModuleInit } from '@nestjs/common';
import { CoapError } from '@sallyport/coap-wire';
import { PeriodicWork, SerialQueue } from '@sallyport/concurrency';
import type { Settings } from '@sallyport/config';
import { FileWatch } from '@sallyport/files';
import type { OcfUuid } from '@sallyport/protocol';
import { ConnectedContext, FaultLog, reasonOf } from '@sallyport/runtime';
import { type AccessToken, Authorization, type TokenSet } from './authorization.js';
import { readAuthorizationSettings } from './authorization-settings.js';
import { type OidcTokenProvider, openOidcProviders } from './oidc-providers.js';
import { ProviderAuthorization } from './provider-authorization.js';
import { SiteAuthority } from './site/site-authority.js';

const deadlineMs = 10_000;
// How soon a provider that could not be asked at the start is asked again.
const retryMs = 2_000;

interface InForce {
  readonly settings: Settings;
  readonly authorization: Authorization;
}

/**
 * The providers of the settings, and that of this site. The gateway starts without them, and is not ready until each has
 * described itself. One that is down later costs its own devices only.
 *
 * Their file is read again when it has changed. While it cannot be used, the providers of before stay.
 */
@Injectable()
export class GatewayAuthorization extends Authorization implements OnModuleInit, BeforeApplicationShutdown {
  private readonly faults: FaultLog;
  private readonly opening = new SerialQueue();
  private inForce: InForce | undefined;
  private undescribed: readonly OidcTokenProvider[] = [];
  private readonly discovery: PeriodicWork;
  private watch: { readonly path: string; readonly file: FileWatch } | undefined;

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
    await this.site.open();
    await this.open(this.context.settings);
    this.discovery.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.watch?.file.stop();
    await Promise.all([this.discovery.stop(), this.site.close()]);
  }

  async verify(accessToken: string): Promise<AccessToken> {
    return (await this.current()).verify(accessToken);
  }

  async exchange(provider: string, code: string, holder?: OcfUuid): Promise<TokenSet> {
    return (await this.current()).exchange(provider, code, holder);
  }

  async refresh(provider: string | undefined, refreshToken: string, holder?: OcfUuid): Promise<TokenSet> {
    return (await this.current()).refresh(provider, refreshToken, holder);
  }

  /** As the settings are now: the rest of the gateway follows them too. */
  private current(): Promise<Authorization> {
    const { settings } = this.context;
    const { inForce } = this;
    if (inForce?.settings === settings) return Promise.resolve(inForce.authorization);
    return this.opening
      .run(() => this.open(settings))
      .catch((cause: unknown) => {
        this.faults.note(cause);
        throw new CoapError('5.03', 'temporary error: the settings of the gateway cannot be used', { cause });
      });
  }

  /** @throws Problem `config-invalid` */
  private async open(settings: Settings): Promise<Authorization> {
    if (this.inForce?.settings === settings) return this.inForce.authorization;
    // Before it is read: no change is missed in between.
    await this.follow(settings.get('coap.authorization.providers_path'));
    return this.replace(settings);
  }

  /** @throws Problem `config-invalid` */
  private async replace(settings: Settings): Promise<Authorization> {
    const { clock } = this.context;
    const tokens = await readAuthorizationSettings(settings);
    const oidc = openOidcProviders(tokens.providers, { tokens, now: () => clock.now(), deadlineMs });
    const onUnavailable = (fault: Error) => this.faults.note(fault);
    const providers = [this.site.provider(tokens), ...oidc];
    const authorization = new ProviderAuthorization({ tokens, providers, onUnavailable });
    this.inForce = { settings, authorization };
    this.undescribed = oidc;
    return authorization;
  }

  private async follow(path: string | undefined): Promise<void> {
    if (this.watch?.path === path) return;
    this.watch?.file.stop();
    this.watch = undefined;
    if (path === undefined) return;
    const onChange = () => void this.opening.run(() => this.readAgain(path));
    this.watch = { path, file: await FileWatch.start({ paths: [path], onChange }) };
  }

  private async readAgain(path: string): Promise<void> {
    const { log, settings } = this.context;
    // Other settings are read with the next request.
    if (this.watch?.path !== path || this.inForce?.settings !== settings) return;
    try {
      await this.replace(settings);
      log.info({ path }, 'the providers of the CoAP gateway have changed');
    } catch (error) {
      log.error({ reason: reasonOf(error) }, 'the file of the providers cannot be used, those from before stay');
    }
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
