import { describe, expect, it } from 'vitest';
import { deviceId } from './ids.js';
import { canonicalDeviceId, canonicalUuid, hubIdOf, ocfDeviceId, ocfUuid, ocfUuidOf } from './ocf.js';
import { siteId } from './site.js';

const uuid = 'b5a2a42e-b285-42f1-a36b-034c8fc8efd5';

describe('the name of an OCF device', () => {
  it.each([`uuid:${uuid}`, `uuid:${uuid.toUpperCase()}`, `UUID:${uuid}`, `Uuid:${uuid}`])('%s has its UUID', (name) => {
    expect(ocfUuidOf(name)).toBe(uuid);
    expect(canonicalDeviceId(deviceId.parse(name))).toBe(`uuid:${uuid}`);
  });

  it.each([
    uuid,
    'uuid:',
    `uuid:${uuid}:1`,
    `urn:uuid:${uuid}`,
    `uuid:${uuid.replaceAll('-', '')}`,
    'uuid:zzz',
    `uuid: ${uuid}`,
    'child01',
    '',
  ])('is not "%s"', (name) => {
    expect(ocfUuidOf(name)).toBeUndefined();
  });

  it('is made of its UUID', () => {
    expect(ocfDeviceId(ocfUuid.parse(uuid))).toBe(`uuid:${uuid}`);
    expect(canonicalUuid(uuid.toUpperCase())).toBe(uuid);
    expect(canonicalUuid('b5a2a42e')).toBeUndefined();
  });

  it('is kept as it is for every other device', () => {
    expect(canonicalDeviceId(deviceId.parse('Child:01'))).toBe('Child:01');
  });
});

describe('the id of a site as a cloud of OCF devices', () => {
  it.each([
    ['0123456789abcdef0123456789abcdef', '01234567-89ab-8def-8123-456789abcdef'],
    ['ffffffffffffffffffffffffffffffff', 'ffffffff-ffff-8fff-bfff-ffffffffffff'],
    ['00000000000000000000000000000000', '00000000-0000-8000-8000-000000000000'],
  ])('of %s is %s, a UUID of version 8 (RFC 9562 §5.8)', (site, hub) => {
    expect(hubIdOf(siteId.parse(site))).toBe(hub);
  });
});
