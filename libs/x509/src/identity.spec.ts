import { deviceId } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { makeSite } from './authority.fixture.js';
import { identityUri, isOcfIdentity, peerKindOf } from './index.js';

const { device } = makeSite();
const withUris = (...uris: string[]) => ({
  ...device.certificate,
  subjectAltNames: uris.map((value) => ({ type: 'uri', value }) as const),
});

describe('identity URIs', () => {
  it('name the trust domain, the kind and the id, percent-encoded', () => {
    const id = deviceId.parse('00:1a:ff');
    expect(identityUri({ kind: 'device', deviceId: id })).toEqual({
      type: 'uri',
      value: 'spiffe://sallyport.local/device/00%3A1a%3Aff',
    });
    expect(identityUri({ kind: 'admin', deviceId: id, trustDomain: 'plant.example' }).value).toBe(
      'spiffe://plant.example/admin/00%3A1a%3Aff',
    );
  });

  it.each([
    ['service', ['spiffe://sallyport.local/service/agent']],
    ['admin', ['spiffe://sallyport.local/admin/alice']],
    ['device', ['spiffe://sallyport.local/device/child01']],
    ['service', ['urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6', 'spiffe://sallyport.local/service/agent']],
    ['device', []],
    ['device', ['spiffe://sallyport.local/root/agent']],
    ['device', ['spiffe://sallyport.local/service']],
    ['device', ['spiffe://sallyport.local/service/a/b']],
    ['device', ['spiffe://sallyport.local/device/a', 'spiffe://sallyport.local/admin/a']],
    ['device', ['SPIFFE://sallyport.local/admin/a']],
    ['device', ['https://sallyport.local/admin/a']],
  ])('make a peer of kind %s out of %j', (kind, uris) => {
    expect(peerKindOf(withUris(...uris))).toBe(kind);
  });
});

describe('an OCF identity', () => {
  const ocf = '1.3.6.1.4.1.44924.1.6';
  it.each([
    [true, ['clientAuth', 'serverAuth', ocf]],
    [true, [ocf, 'serverAuth', 'emailProtection', 'clientAuth']],
    [false, ['clientAuth', 'serverAuth']],
    [false, ['clientAuth', ocf]],
    [false, ['serverAuth', ocf]],
    [false, ['anyExtendedKeyUsage']],
  ])('is said to be %j of the purposes %j', (isIdentity, extendedKeyUsages) => {
    expect(isOcfIdentity({ extendedKeyUsages })).toBe(isIdentity);
  });

  it('is not given by a certificate without purposes', () => {
    expect(isOcfIdentity({})).toBe(false);
  });
});
