import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSettings, parseCoapProviders } from '@sallyport/config';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readAuthorizationSettings } from './authorization-settings.js';

const parse = (...lines: readonly string[]) => parseCoapProviders(lines.join('\n'), 'coap-providers.toml');
const shared = [
  'issuer = "https://login.example/realms/plant"',
  'client_id = "coap-gateway"',
  'client_secret_path = "/etc/tedge/coap-secret"',
];
const plant = ['[[provider]]', 'name = "plant"', ...shared];

describe('the file of the providers', () => {
  it('names each with what it takes', () => {
    expect(parse(...plant, 'scopes = ["offline_access"]')).toEqual([
      {
        name: 'plant',
        issuer: 'https://login.example/realms/plant',
        client_id: 'coap-gateway',
        client_secret_path: '/etc/tedge/coap-secret',
        grant_type: 'authorization_code',
        scopes: ['offline_access'],
      },
    ]);
  });

  it('may spell keys and values as plgd does', () => {
    const spelled = parse(
      '[[provider]]',
      'name = "plgd.web"',
      'authority = "https://login.example/realms/plant"',
      'clientID = "coap-gateway"',
      'clientSecretFile = "/etc/tedge/coap-secret"',
      'grantType = "clientCredentials"',
      'redirectURL = "https://app.example/callback"',
    );
    expect(spelled).toMatchObject([
      {
        issuer: 'https://login.example/realms/plant',
        client_id: 'coap-gateway',
        client_secret_path: '/etc/tedge/coap-secret',
        grant_type: 'client_credentials',
        redirect_url: 'https://app.example/callback',
      },
    ]);
  });

  it.each([
    [['providers = 1'], 'line 1: "providers" is not known. Write [[provider]].'],
    [['[[provider]]', 'name = "plant"'], 'line 1: issuer is missing or of another type.'],
    [[...plant, 'secret = "x"'], 'line 1: "secret" is not known.'],
    [[...plant, ...plant], 'line 6: name is "plant", as that of another provider. Devices choose one by its name.'],
    [
      ['[[provider]]', 'name = "site"', ...shared],
      'line 1: name must be another name: "site" are the codes of this site.',
    ],
    [
      ['', ...plant, 'grant_type = "password"'],
      'line 2: grant_type must be "authorization_code" or "client_credentials".',
    ],
  ])('is refused with its line: %j', (lines, reason) => {
    expect(() => parse(...lines)).toThrow(`coap-providers.toml, ${reason}`);
  });

  it('takes no provider without TLS but on this machine', () => {
    const at = (issuer: string) => parse('[[provider]]', 'name = "x"', `issuer = "${issuer}"`, ...shared.slice(1));
    expect(() => at('http://login.example')).toThrow('issuer must begin with https://');
    expect(at('http://127.0.0.1:8080')).toHaveLength(1);
  });
});

describe('the settings of authorization', () => {
  async function read(settings: string, providers?: readonly string[]) {
    const configDir = await mkdtemp(join(tmpdir(), 'sallyport-authorization-'));
    onTestFinished(() => rm(configDir, { recursive: true }));
    const path = join(configDir, 'coap-providers.toml');
    if (providers !== undefined) await writeFile(path, providers.join('\n'));
    const named = providers === undefined ? '' : `coap.authorization.providers_path = "${path}"\n`;
    await writeFile(join(configDir, 'sallyport.toml'), `${named}${settings}`);
    return readAuthorizationSettings((await loadSettings({ configDir, env: {}, cwd: '/' })).settings);
  }

  it('need no provider', async () => {
    expect(await read('')).toMatchObject({ ownerClaim: 'sub', providers: [] });
  });

  it('refuse a device claim where certificates need not name the device', async () => {
    const reading = read('[apis.coap]\ntls.identityPropertiesRequired = false\nauthorization.deviceIDClaim = "d"\n');
    await expect(reading).rejects.toThrow('coap.tls.identity_properties_required is false');
  });

  it('refuse client credentials where sub names the owner', async () => {
    const reading = read('', [...plant, 'grant_type = "client_credentials"']);
    await expect(reading).rejects.toThrow('Provider "plant" has grant_type client_credentials');
    const named = await read('coap.authorization.owner_claim = "owner"\n', [
      ...plant,
      'grant_type = "client_credentials"',
    ]);
    expect(named.providers).toHaveLength(1);
  });

  it('refuse tokens of the site that end before a session could begin', async () => {
    await expect(read('coap.authorization.token_validity = "2m"\n')).rejects.toThrow(
      'coap.authorization.token_validity must be more than twice coap.owner_cache_expiration, which are 120 s.',
    );
    expect(await read('coap.authorization.token_validity = "121s"\n')).toMatchObject({ validitySeconds: 121 });
  });

  it('say where the file of the providers is that is not there', async () => {
    const reading = read('coap.authorization.providers_path = "/nowhere/coap-providers.toml"\n');
    await expect(reading).rejects.toThrow('coap.authorization.providers_path: the file /nowhere/coap-providers.toml');
  });
});
