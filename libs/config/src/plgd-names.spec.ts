import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configDirectories, configFileOpener, settingsLoader } from './config-directory.fixture.js';
import { findKey } from './key-names.js';
import { loadSettings } from './load-settings.js';
import { describeSetting } from './reference.js';

const directoryWith = configDirectories(onTestFinished);
const openFile = configFileOpener(directoryWith);
const load = settingsLoader(directoryWith);

describe("names of plgd's CoAP gateway", () => {
  it.each([
    ['apis.coap.tls.clientCertificateRequired', 'coap.tls.client_certificate_required'],
    ['api.coap.tls.clientCertificateRequired', 'coap.tls.client_certificate_required'],
    ['apis.coap.tls.identityPropertiesRequired', 'coap.tls.identity_properties_required'],
    ['apis.coap.tls.certFile', 'coap.tls.cert_path'],
    ['apis.coap.tls.caPool', 'coap.tls.ca_path'],
    ['api.coap.authorization.deviceIDClaim', 'coap.authorization.device_id_claim'],
    ['apis.coap.authorization.deviceIdClaim', 'coap.authorization.device_id_claim'],
    ['apis.coap.authorization.ownerClaim', 'coap.authorization.owner_claim'],
    ['apis.coap.authorization.audience', 'coap.authorization.audience'],
    ['apis.coap.externalAddress', 'coap.external_address'],
    ['apis.coap.maxMessageSize', 'coap.max_message_size'],
    ['apis.coap.keepAlive.timeout', 'coap.keep_alive.timeout'],
    ['apis.coap.ownerCacheExpiration', 'coap.owner_cache_expiration'],
    ['apis.coap.requireBatchObserveEnabled', 'coap.requires_batch_observe'],
  ])('%s means %s', (name, key) => {
    expect(findKey(name)).toEqual({ key });
  });

  it('are read from sallyport.toml without a warning', async () => {
    const configDir = await directoryWith();
    const toml = '[apis.coap]\ntls.clientCertificateRequired = false\nauthorization.deviceIDClaim = "deviceId"\n';
    await writeFile(join(configDir, 'sallyport.toml'), toml);
    const { settings, warnings } = await loadSettings({ configDir, env: {}, cwd: '/' });
    expect(settings.get('coap.tls.client_certificate_required')).toBe(false);
    expect(settings.get('coap.authorization.device_id_claim')).toBe('deviceId');
    expect(warnings).toEqual([]);
  });

  it('are read from the environment', async () => {
    const { settings, warnings } = await load(undefined, {
      TEDGE_APIS_COAP_AUTHORIZATION_DEVICEIDCLAIM: 'https://plant.example/deviceId',
      TEDGE_API_COAP_TLS_CLIENTCERTIFICATEREQUIRED: 'false',
    });
    expect(settings.get('coap.authorization.device_id_claim')).toBe('https://plant.example/deviceId');
    expect(settings.get('coap.tls.client_certificate_required')).toBe(false);
    expect(warnings).toEqual([]);
  });

  it('give way to our name at the first change', async () => {
    const { directory, file, ownText } = await openFile();
    await writeFile(join(directory, 'sallyport.toml'), 'apis.coap.authorization.ownerClaim = "sub"\n');
    await file.set({ key: 'coap.authorization.owner_claim' }, 'owner');
    expect(await ownText()).toContain('owner_claim = "owner"');
    expect(await ownText()).not.toContain('apis');
  });

  it('may not stand beside our name', async () => {
    const configDir = await directoryWith();
    const toml = 'coap.authorization.owner_claim = "a"\napis.coap.authorization.ownerClaim = "b"\n';
    await writeFile(join(configDir, 'sallyport.toml'), toml);
    const loading = loadSettings({ configDir, env: {}, cwd: '/' });
    await expect(loading).rejects.toThrow('is there under another name too; remove one of them');
  });

  it('are shown with their setting', () => {
    expect(describeSetting('coap.tls.client_certificate_required')).toContain(
      'plgd names:  apis.coap.tls.clientCertificateRequired, api.coap.tls.clientCertificateRequired',
    );
  });
});
