import { Problem } from '@sallyport/protocol';
import { z } from 'zod';
import { parseToml } from './toml.js';
import { TomlLines } from './toml-lines.js';

/** The provider that this site is for itself. */
export const siteProviderName = 'site';

const mostProviders = 16;

/** A device without a name of a provider makes us ask them all, so their names are few and short. */
const name = z
  .string()
  .regex(/^[\w.@-]{1,64}$/, 'must be 1 to 64 letters, digits, or . _ @ -')
  .refine((text) => text !== siteProviderName, 'must be another name: "site" are the codes of this site');

const address = z
  .url({ protocol: /^https?$/, error: 'must be an address like https://login.example/realms/plant' })
  .refine(isProtected, 'must begin with https://, for a provider that is not on this machine');

const oneLine = z.string().regex(/^[^\p{Cc}]{1,512}$/u, 'must be one line of 1 to 512 characters');

const provider = z.strictObject({
  name,
  issuer: address,
  client_id: oneLine,
  client_secret_path: z.string().regex(/^\/[^\p{Cc}]{1,4095}$/u, 'must be an absolute path'),
  grant_type: z
    .enum(['authorization_code', 'client_credentials'], {
      error: 'must be "authorization_code" or "client_credentials"',
    })
    .default('authorization_code'),
  redirect_url: oneLine.optional(),
  scopes: z.array(oneLine).max(32).default([]),
  audience: oneLine.optional(),
});

/** One provider of the file, as checked. */
export type CoapProvider = z.output<typeof provider>;

/** What plgd calls the same keys and values. */
const plgdKeys = new Map([
  ['authority', 'issuer'],
  ['clientID', 'client_id'],
  ['clientSecretFile', 'client_secret_path'],
  ['grantType', 'grant_type'],
  ['redirectURL', 'redirect_url'],
]);
const plgdGrants = new Map([
  ['authorizationCode', 'authorization_code'],
  ['clientCredentials', 'client_credentials'],
]);

/**
 * Reads the providers that devices bring authorization codes from.
 *
 * ```toml
 * [[provider]]
 * name = "plant"                                 # what devices send as authprovider
 * issuer = "https://login.example/realms/plant"
 * client_id = "coap-gateway"
 * client_secret_path = "/etc/tedge/coap-client-secret"
 * grant_type = "authorization_code"              # or client_credentials
 * redirect_url = "https://app.example/callback"  # as in the request that gave the code
 * scopes = ["offline_access"]                    # for client_credentials
 * audience = "https://api.plant.example"
 * ```
 *
 * @param file its name in errors
 * @throws Problem `config-invalid`, which names the line
 */
export function parseCoapProviders(text: string, file: string): CoapProvider[] {
  const { provider: found = [], ...others } = parseToml(text, file);
  const lines = new TomlLines(text);
  const fault = (line: number, reason: string) => new Problem('config-invalid', `${file}, line ${line}: ${reason}`);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw fault(lines.ofKey(unknown), `"${unknown}" is not known. Write [[provider]].`);
  const tables = z.array(z.record(z.string(), z.unknown())).max(mostProviders).safeParse(found);
  if (!tables.success) throw fault(1, `Write each provider below a line [[provider]], and at most ${mostProviders}.`);
  const providers = tables.data.map((table, index) => {
    const checked = provider.safeParse(respelled(table));
    if (checked.success) return checked.data;
    const [issue] = checked.error.issues;
    throw fault(lines.ofHeader('provider', index), issue === undefined ? 'is not valid' : reasonOf(issue));
  });
  requireUnique(providers, (index, reason) => fault(lines.ofHeader('provider', index), reason));
  return providers;
}

function respelled(table: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries = Object.entries(table).map(([key, value]): [string, unknown] => {
    const grant = typeof value === 'string' ? plgdGrants.get(value) : undefined;
    const own = plgdKeys.get(key) ?? key;
    return [own, own === 'grant_type' ? (grant ?? value) : value];
  });
  return Object.fromEntries(entries);
}

function reasonOf(issue: z.core.$ZodIssue): string {
  const key = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') return `"${issue.keys.join('", "')}" is not known.`;
  return issue.code === 'invalid_type' && issue.input === undefined
    ? `${key} is missing or of another type.`
    : `${key} ${issue.message}.`;
}

function requireUnique(providers: readonly CoapProvider[], fault: (index: number, reason: string) => Problem): void {
  for (const [index, { name: own }] of providers.entries())
    if (providers.findIndex((other) => other.name === own) !== index)
      throw fault(index, `name is "${own}", as that of another provider. Devices choose one by its name.`);
}

function isProtected(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'https:' || ['127.0.0.1', '[::1]', 'localhost'].includes(hostname);
}
