import { describe, expect, it } from 'vitest';
import { parseProfileName } from './cloud-names.js';
import { environmentNameOf, findKey, keyOfVariable, nameOf, similarKeys } from './key-names.js';

describe('key names', () => {
  it.each(['http.bind.port', 'http_bind_port', 'http.bind_port', 'http-bind-port'])(
    'takes %s for http.bind.port',
    (text) => {
      expect(findKey(text)).toEqual({ key: 'http.bind.port' });
    },
  );

  it('takes an old name for the present key and says so', () => {
    expect(findKey('http.port')).toEqual({ key: 'http.bind.port', deprecatedName: 'http.port' });
    expect(findKey('mqtt_client_auth_cafile')).toEqual({
      key: 'mqtt.client.auth.ca_file',
      deprecatedName: 'mqtt.client.auth.cafile',
    });
  });

  it('takes a present name that an old one resembles without a warning', () => {
    expect(findKey('http_bind_address')).toEqual({ key: 'http.bind.address' });
  });

  it('takes a key of a profile written out', () => {
    expect(findKey('c8y.profiles.plant2.proxy.bind.port')).toEqual({ key: 'c8y.proxy.bind.port', profile: 'plant2' });
  });

  it('takes the name of a profile in any case of letters', () => {
    expect(findKey('c8y.profiles.Plant2.device.key_path')).toEqual({ key: 'c8y.device.key_path', profile: 'plant2' });
  });

  it.each(['', '.', 'http', 'http.bind', 'http.bind.port.x', 'HTTP.BIND.PORT', '__proto__', 'constructor', 'toString'])(
    'knows no key %j',
    (text) => {
      expect(findKey(text)).toBeUndefined();
    },
  );

  it.each([
    ['http.bind.prt', ['http.bind.port']],
    ['http.certpath', ['http.cert_path', 'http.key_path', 'http.ca_path']],
    ['nothing.like.it', []],
  ])('offers keys that look like %s', (text, keys) => {
    expect(similarKeys(text)).toEqual(keys);
  });
});

describe('environment variables', () => {
  it.each([
    ['http.bind.port', 'TEDGE_HTTP_BIND_PORT'],
    ['c8y.url', 'TEDGE_C8Y_URL'],
    ['device.key_path', 'TEDGE_DEVICE_KEY_PATH'],
  ] as const)('%s is overridden by %s', (key, variable) => {
    expect(environmentNameOf({ key })).toBe(variable);
    expect(keyOfVariable(variable)).toEqual({ key });
  });

  it('names a profile between the cloud and the key', () => {
    const reference = { key: 'c8y.proxy.bind.port', profile: 'plant_2' } as const;
    expect(environmentNameOf(reference)).toBe('TEDGE_C8Y_PROFILES_PLANT_2_PROXY_BIND_PORT');
    expect(keyOfVariable('TEDGE_C8Y_PROFILES_PLANT_2_PROXY_BIND_PORT')).toEqual(reference);
    expect(nameOf(reference)).toBe('c8y.profiles.plant_2.proxy.bind.port');
  });

  it.each([
    'TEDGE_',
    'TEDGE_FOO',
    'TEDGE_C8Y_PROFILES_URL',
    'TEDGE_C8Y_PROFILES__URL',
    'TEDGE_C8Y_PROFILES_A_HTTP_PORT',
  ])('knows no key for %s', (variable) => {
    expect(keyOfVariable(variable)).toBeUndefined();
  });
});

describe('profile names', () => {
  it.each([
    ['plant2', 'plant2'],
    ['Plant-2_b', 'plant-2_b'],
    ['1', '1'],
  ])('reads %s as %s', (text, name) => {
    expect(parseProfileName(text)).toBe(name);
  });

  it.each(['', '-', '__', 'a.b', 'a b', 'a/b', 'ü', '__proto__', 'constructor', 'x'.repeat(65)])(
    'refuses %j',
    (text) => {
      expect(parseProfileName(text)).toBeUndefined();
    },
  );
});
