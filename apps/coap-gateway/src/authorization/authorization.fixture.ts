import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CoapError } from '@sallyport/coap-wire';
import { parseCoapProviders } from '@sallyport/config';
import { OidcProvider } from '@sallyport/testkit/oidc-provider';
import type { TokenSettings } from './authorization-settings.js';
import { openOidcProviders } from './oidc-providers.js';
import { ProviderAuthorization } from './provider-authorization.js';

type OnFinished = (cleanUp: () => Promise<void>) => void;

const tokens: TokenSettings = {
  ownerClaim: 'sub',
  deviceIdClaim: 'deviceId',
  audience: 'sallyport',
  validitySeconds: 3600,
};

/** A real provider as `plant`, and the authorization of a gateway that knows it, for the running test. */
export async function startAuthorization(onTestFinished: OnFinished, settings: Partial<TokenSettings> = {}) {
  const provider = await OidcProvider.start();
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-authorization-'));
  onTestFinished(async () => {
    await provider.stop();
    await rm(folder, { recursive: true });
  });
  const file = await providerFile(folder, provider);
  const faults: Error[] = [];
  const inForce = { ...tokens, ...settings };
  const options = { tokens: inForce, now: () => new Date(), deadlineMs: 500 };
  const authorization = new ProviderAuthorization({
    tokens: inForce,
    providers: openOidcProviders(parseCoapProviders(file, 'coap-providers.toml'), options),
    onUnavailable: (fault) => faults.push(fault),
  });
  return { provider, authorization, faults, file, folder };
}

/** Two providers of one issuer: `plant` takes codes of people, and `line` tokens that stand for codes. */
async function providerFile(folder: string, { issuer, client }: OidcProvider): Promise<string> {
  const secretPath = join(folder, 'secret');
  await writeFile(secretPath, `${client.secret}\n`);
  const shared = [`issuer = "${issuer}"`, `client_id = "${client.id}"`, `client_secret_path = "${secretPath}"`];
  return [
    ...['[[provider]]', 'name = "plant"', ...shared, `redirect_url = "${client.redirectUri}"`],
    ...['[[provider]]', 'name = "line"', ...shared, 'grant_type = "client_credentials"'],
    '',
  ].join('\n');
}

/** What a device would get: `4.01 unknown authorization provider`; `answered` when nothing is thrown. */
export async function refusalOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'answered';
  } catch (error) {
    if (!(error instanceof CoapError)) throw error;
    return `${error.code} ${error.diagnostic}`;
  }
}
