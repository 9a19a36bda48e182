import { join } from 'node:path';
import { CoapError } from '@sallyport/coap-wire';
import { canonicalUuid } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { renderDeviceIdPage } from './device-id-page.fixture.js';
import { type DeviceIdRow, deviceIdRows } from './device-id-rows.fixture.js';
import { resolveDeviceId } from './resolve-device-id.js';

const uuids = { a: 'b5a2a42e-b285-42f1-a36b-034c8fc8efd5', b: '0f7c1d5a-9a44-4b0e-8f3d-6f2c8e1b7a90' };
const values: Readonly<Record<DeviceIdRow['claim'], unknown>> = {
  none: undefined,
  '""': '',
  '42': 42,
  text: 'press-7',
  a: uuids.a,
  A: uuids.a.toUpperCase(),
  b: uuids.b,
};
const requested = { a: uuids.a, A: uuids.a.toUpperCase(), b: uuids.b, text: 'press-7' };

/** As in the table: a device by its letter, or code and text of the answer. */
function outcomeOf(row: DeviceIdRow): string {
  try {
    const device = resolveDeviceId(
      {
        isCertificateRequired: row.isCertificateRequired,
        areIdentityPropertiesRequired: row.areIdentityPropertiesRequired ?? true,
        claimName: row.isClaimSet ? 'deviceId' : undefined,
      },
      {
        claim: values[row.claim],
        certificate: row.certificate === 'a' ? canonicalUuid(uuids.a) : undefined,
        requested: requested[row.requested],
      },
    );
    return device === uuids.a ? 'a' : 'b';
  } catch (error) {
    if (!(error instanceof CoapError)) throw error;
    const text = error.diagnostic.replaceAll(uuids.a, 'a').replaceAll(uuids.b, 'b');
    return `${error.code} ${text}`;
  }
}

describe('which device it is', () => {
  it.each(deviceIdRows)(
    'certificate required $isCertificateRequired, claim set $isClaimSet, token $claim, certificate $certificate, di $requested: $outcome',
    (row) => expect(outcomeOf(row)).toBe(row.outcome),
  );

  it('is a table in the documentation', async () => {
    const page = join(import.meta.dirname, '../../../../docs/reference/coap-device-id.md');
    await expect(renderDeviceIdPage()).toMatchFileSnapshot(page);
  });

  it('repeats no more than 64 characters of a claim to the device', () => {
    const rules = { isCertificateRequired: false, areIdentityPropertiesRequired: true, claimName: 'deviceId' };
    const evidence = { claim: 'x'.repeat(10_000), certificate: undefined, requested: uuids.a };
    expect(() => resolveDeviceId(rules, evidence)).toThrow(/^access token issued to the device \('x{64}'\), which/);
  });
});
