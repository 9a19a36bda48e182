import { type CoapProvider, parseCoapProviders, readRulesFile, type Settings } from '@sallyport/config';
import { Problem } from '@sallyport/protocol';
import type { DeviceIdRules } from './resolve-device-id.js';

/** What access tokens must hold. */
export interface TokenSettings {
  readonly ownerClaim: string;
  readonly deviceIdClaim: string | undefined;
  readonly audience: string | undefined;
  /** How long access tokens of this site are good. */
  readonly validitySeconds: number;
}

/** How devices prove who they are, and whose. */
export interface AuthorizationSettings extends TokenSettings {
  readonly providers: readonly CoapProvider[];
}

/** The settings of `resolveDeviceId`. */
export function deviceIdRules(settings: Settings): DeviceIdRules {
  return {
    isCertificateRequired: settings.require('coap.tls.client_certificate_required'),
    areIdentityPropertiesRequired: settings.require('coap.tls.identity_properties_required'),
    claimName: settings.get('coap.authorization.device_id_claim'),
  };
}

/** @throws Problem `config-invalid`: settings that only work together do not, or the file of the providers is wrong */
export async function readAuthorizationSettings(settings: Settings): Promise<AuthorizationSettings> {
  requireLastingTokens(settings);
  const tokens = tokenSettings(settings);
  const providers = await readProviders(settings);
  const ofClient = providers.find(({ grant_type: grantType }) => grantType === 'client_credentials');
  if (tokens.ownerClaim === 'sub' && ofClient !== undefined)
    throw new Problem(
      'config-invalid',
      `Provider "${ofClient.name}" has grant_type client_credentials, and coap.authorization.owner_claim is sub. In its tokens sub is this gateway. Name the claim with the owner of the device.`,
    );
  return { ...tokens, providers };
}

function tokenSettings(settings: Settings): TokenSettings {
  const { areIdentityPropertiesRequired, claimName: deviceIdClaim } = deviceIdRules(settings);
  // A certificate without the id of a device could not be compared with the claim.
  if (!areIdentityPropertiesRequired && deviceIdClaim !== undefined)
    throw new Problem(
      'config-invalid',
      'coap.tls.identity_properties_required is false, and coap.authorization.device_id_claim is set. Unset one of them: a certificate without the id of a device cannot be compared with the claim.',
    );
  return {
    ownerClaim: settings.require('coap.authorization.owner_claim'),
    deviceIdClaim,
    audience: settings.get('coap.authorization.audience'),
    validitySeconds: settings.require('coap.authorization.token_validity'),
  };
}

/** A device must be able to sign in with a new token, and a session ends before its token does. */
function requireLastingTokens(settings: Settings): void {
  const marginSeconds = 2 * settings.require('coap.owner_cache_expiration');
  if (settings.require('coap.authorization.token_validity') > marginSeconds) return;
  throw new Problem(
    'config-invalid',
    `coap.authorization.token_validity must be more than twice coap.owner_cache_expiration, which are ${marginSeconds} s. No device could sign in.`,
  );
}

async function readProviders(settings: Settings): Promise<CoapProvider[]> {
  const key = 'coap.authorization.providers_path';
  const path = settings.get(key);
  return path === undefined ? [] : readRulesFile({ key, path, parse: parseCoapProviders });
}
