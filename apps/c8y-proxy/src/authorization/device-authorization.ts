import type { Authorization } from './device-token.js';

/** Where the authorization of the device comes from. */
export interface AuthorizationSource {
  /** @throws GatewayFault */
  fetch(): Promise<Authorization>;
}

export interface DeviceAuthorizationOptions {
  readonly source: AuthorizationSource;
  readonly nowMs: () => number;
  /** How long nothing is fetched after a fresh authorization was refused too, in milliseconds; default 0. */
  readonly calmMs?: number;
  /** Called for each time the source was asked. */
  readonly onFetched: (fault: unknown) => void;
}

/** An authorization that was used. Two of them are the same only if they are one object. */
export interface IssuedAuthorization {
  readonly value: string;
  readonly issuedAtMs: number;
  /** It was fetched because the cloud had refused the one before. */
  readonly isReplacement: boolean;
  readonly renewAtMs: number;
  readonly endsAtMs: number;
}

// Renewed when so much of its life is over. A request that is on its way then still arrives in time.
const renewAfter = 0.8;
// After a renewal ahead of time has failed, the next one waits so long: the present authorization is still good.
const retryMs = 15_000;

/**
 * The authorization of the device, kept in memory. It is fetched when it is first needed, renewed before it ends, and
 * renewed when the cloud has answered 401; however many ask for it, the source is asked once.
 */
export class DeviceAuthorization {
  private issued: IssuedAuthorization | undefined;
  private fetching: Promise<IssuedAuthorization> | undefined;
  private renewNotBeforeMs = 0;

  constructor(private readonly options: DeviceAuthorizationOptions) {}

  /** The one in force, where nobody has to wait for it. */
  get present(): IssuedAuthorization | undefined {
    const now = this.options.nowMs();
    const { issued } = this;
    if (issued === undefined || now >= issued.endsAtMs) return undefined;
    if (now >= issued.renewAtMs && now >= this.renewNotBeforeMs) this.renewAhead(now);
    return issued;
  }

  /** @throws GatewayFault: it could not be fetched */
  async current(): Promise<IssuedAuthorization> {
    return this.present ?? this.fetch(false);
  }

  /**
   * Whether another one may help where the cloud has answered 401. A path that is refused with every authorization must
   * not make each request for it ask the source again.
   */
  mayReplace(refused: IssuedAuthorization): boolean {
    const ageMs = this.options.nowMs() - refused.issuedAtMs;
    const isFresh = ageMs >= 0 && ageMs < (this.options.calmMs ?? 0);
    return this.issued !== refused || !refused.isReplacement || !isFresh;
  }

  /**
   * Another one than that which the cloud has answered with 401.
   *
   * @throws GatewayFault: it could not be fetched
   */
  async insteadOf(refused: IssuedAuthorization): Promise<IssuedAuthorization> {
    return this.issued === refused || this.issued === undefined ? this.fetch(true) : this.issued;
  }

  private fetch(isReplacement: boolean): Promise<IssuedAuthorization> {
    this.fetching ??= this.ask(isReplacement).finally(() => {
      this.fetching = undefined;
    });
    return this.fetching;
  }

  private async ask(isReplacement: boolean): Promise<IssuedAuthorization> {
    try {
      const { value, lifetimeMs = Number.POSITIVE_INFINITY } = await this.options.source.fetch();
      const now = this.options.nowMs();
      const times = { issuedAtMs: now, renewAtMs: now + lifetimeMs * renewAfter, endsAtMs: now + lifetimeMs };
      this.issued = { value, isReplacement, ...times };
      this.options.onFetched(undefined);
      return this.issued;
    } catch (fault) {
      this.options.onFetched(fault);
      throw fault;
    }
  }

  private renewAhead(nowMs: number): void {
    this.renewNotBeforeMs = nowMs + retryMs;
    // `onFetched` has told of the fault. Requests go on with the present one.
    this.fetch(false).catch(() => undefined);
  }
}
