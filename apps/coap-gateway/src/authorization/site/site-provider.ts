import { randomUUID } from 'node:crypto';
import { siteProviderName } from '@sallyport/config';
import { type GrantedTokens, ProviderUnavailable, TokenRefused } from '@sallyport/oidc';
import { type OcfUuid, ocfUuid, Problem } from '@sallyport/protocol';
import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { resolveDeviceId } from '../resolve-device-id.js';
import type { TokenClaims, TokenProvider } from '../token-provider.js';
import type { SharedKeys } from './shared-keys.js';
import type { SiteCodes } from './site-codes.js';
import { deviceOfRefreshToken, type Granted, isRefreshToken, type SiteGrants } from './site-grants.js';
import type { TokenKey } from './token-key.js';

/** The claim with the device, when the settings name none. */
const ownDeviceClaim = 'device_id';
const ownClaims = z.looseObject({ sub: z.string(), gid: z.uuid() });

export interface SiteProviderParts {
  readonly codes: SiteCodes;
  readonly grants: SiteGrants;
  readonly keys: SharedKeys;
  readonly key: TokenKey;
  readonly ownerClaim: string;
  readonly deviceIdClaim: string | undefined;
  readonly audience: string | undefined;
  readonly validitySeconds: number;
  readonly now: () => Date;
}

/**
 * The provider that a site is for itself, so that devices can sign up without any other. A code is for one device and
 * one owner; its tokens too, and they end when the device gets another owner. `sallyport coap code` makes codes.
 */
export class SiteProvider implements TokenProvider {
  readonly name = siteProviderName;
  readonly issuer = 'urn:sallyport:coap-gateway';
  readonly deviceIdClaim: string;
  private readonly keyOf: JWTVerifyGetKey = async ({ kid = '' }) => {
    const key = await this.parts.keys.find(kid);
    if (key === undefined) throw new errors.JWKSNoMatchingKey();
    return key;
  };

  constructor(private readonly parts: SiteProviderParts) {
    this.deviceIdClaim = parts.deviceIdClaim ?? ownDeviceClaim;
  }

  exchange(code: string, holder?: OcfUuid): Promise<GrantedTokens> {
    const { codes, grants } = this.parts;
    const now = this.parts.now();
    return fromStore(async () => {
      this.requireHolder((await codes.find(code, now))?.record.device, holder);
      return this.tokensFor(await grants.begin(codes, { code, now }));
    });
  }

  refresh(refreshToken: string, holder?: OcfUuid): Promise<GrantedTokens> {
    return fromStore(async () => {
      this.requireHolder(deviceOfRefreshToken(refreshToken), holder);
      return this.tokensFor(await this.parts.grants.renew(refreshToken));
    });
  }

  isOwnRefreshToken(refreshToken: string): boolean {
    return isRefreshToken(refreshToken);
  }

  verify(accessToken: string): Promise<TokenClaims> {
    return fromStore(async () => {
      const payload = await this.verified(accessToken);
      const { gid: grantId, sub: owner, [this.deviceIdClaim]: device } = ownClaims.parse(payload);
      const user = { device: ocfUuid.parse(device), owner, grantId };
      if (!(await this.parts.grants.isLive(user))) throw new TokenRefused('not valid here');
      return payload;
    });
  }

  /** Before anything is spent: another device could end the tokens of this one with a code that it has found. */
  private requireHolder(device: OcfUuid | undefined, holder: OcfUuid | undefined): void {
    if (device === undefined || holder === undefined) return;
    const rules = { isCertificateRequired: true, areIdentityPropertiesRequired: true, claimName: this.deviceIdClaim };
    resolveDeviceId(rules, { claim: device, certificate: holder, requested: holder });
  }

  private async verified(accessToken: string): Promise<JWTPayload> {
    const { audience, now } = this.parts;
    const rules = {
      issuer: this.issuer,
      algorithms: ['ES256'],
      requiredClaims: ['exp', 'iat', 'sub', 'gid', this.deviceIdClaim],
      currentDate: now(),
      ...(audience === undefined ? {} : { audience }),
    };
    try {
      return (await jwtVerify(accessToken, this.keyOf, rules)).payload;
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error;
      throw new TokenRefused(error instanceof errors.JWTExpired ? 'expired' : 'not valid here', { cause: error });
    }
  }

  private async tokensFor({ device, owner, grantId, refreshToken }: Granted): Promise<GrantedTokens> {
    const { key, ownerClaim, audience, validitySeconds, now } = this.parts;
    const seconds = Math.floor(now().getTime() / 1000);
    const claims = { [ownerClaim]: owner, [this.deviceIdClaim]: device, gid: grantId };
    const token = new SignJWT({ ...claims, ...(audience === undefined ? {} : { aud: audience }) })
      .setProtectedHeader({ alg: 'ES256', kid: key.kid, typ: 'at+jwt' })
      .setIssuer(this.issuer)
      .setSubject(owner)
      .setIssuedAt(seconds)
      .setExpirationTime(seconds + validitySeconds)
      .setJti(randomUUID());
    return { accessToken: await token.sign(key.privateKey), refreshToken };
  }
}

/** A store that does not answer says nothing about a token. */
async function fromStore<Answer>(work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof z.ZodError) throw new TokenRefused('not valid here', { cause });
    if (cause instanceof Problem) throw new ProviderUnavailable('the store cannot be used', { cause });
    throw cause;
  }
}
