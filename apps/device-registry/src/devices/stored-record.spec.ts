import { describe, expect, it } from 'vitest';
import { type DeviceRecord, deviceRecord } from './device-record.js';
import { packRecord, recordOf } from './stored-record.js';

const fingerprint = 'ab'.repeat(32);
const issuer = `ca:${'cd'.repeat(32)}`;

const entire = {
  deviceId: 'Pump-17',
  kind: 'device',
  state: 'revoked',
  authority: issuer,
  registeredAt: '2026-06-01T12:00:00.123Z',
  certificates: [
    {
      fingerprint,
      serialNumber: '0a1b',
      issuerFingerprint: 'ef'.repeat(32),
      issuer,
      notBefore: '2026-05-01T00:00:00Z',
      notAfter: '9999-12-31T23:59:59Z',
      recordedAt: '2026-06-01T12:00:00.000Z',
      source: 'contact',
      revocation: { revokedAt: '2026-06-02T00:00:00.000Z', reason: 'device revoked' },
    },
    {
      fingerprint: '12'.repeat(32),
      serialNumber: '01',
      issuerFingerprint: '34'.repeat(32),
      notBefore: '1960-01-01T00:00:00Z',
      notAfter: '2026-08-01T00:00:00.5Z',
      recordedAt: '2026-06-01T12:00:00.000Z',
      source: 'issued',
    },
  ],
  states: [
    { state: 'revoked', at: '2026-06-02T00:00:00.000Z', actor: 'local-admin:alice', reason: 'stolen' },
    { state: 'active', at: '2026-06-01T12:00:00.123Z', actor: 'entrance:connector' },
  ],
  admitsAfter: '2026-05-30T00:00:00Z',
  connector: 'plant-2',
  tags: { site: ['north', 'roof'] },
};

function read(value: Parameters<typeof recordOf>[0]['value']): DeviceRecord {
  return recordOf({ key: 'device/pump-17', value, revision: 1 });
}

describe('the record of a device in the store', () => {
  it.each([
    ['with all it can hold', entire],
    ['of a CA known by its certificate only', { ...entire, authority: fingerprint }],
    ['of this site', { ...entire, authority: 'site', certificates: [] }],
    ['that nobody vouches for', { ...entire, authority: 'none', certificates: [] }],
  ])('is read as it was written: one %s', (_, given) => {
    const record = deviceRecord.parse(given);
    expect(read(packRecord(record))).toEqual(record);
  });

  it('is read as an earlier release wrote it', () => {
    expect(read(entire)).toEqual(entire);
  });

  it('takes less than 400 bytes for a device with one certificate', () => {
    const [certificate] = entire.certificates;
    const { tags: _, admitsAfter: __, ...usual } = entire;
    const serialNumber = '5a'.repeat(20);
    const first = { ...certificate, serialNumber, revocation: undefined };
    const record = deviceRecord.parse({
      ...usual,
      state: 'active',
      states: entire.states.slice(1),
      certificates: [first],
    });
    expect(JSON.stringify(packRecord(record)).length).toBeLessThan(400);
  });

  it.each([
    ['nothing', null],
    ['half a record', { v: 2, id: 'pump-17' }],
    ['a time out of range', { ...Object(packRecord(deviceRecord.parse(entire))), r: 9e15 }],
    ['a hash of another length', { ...Object(packRecord(deviceRecord.parse(entire))), a: '+YWJj' }],
  ])('is not believed when it is %s', (_, value) => {
    expect(() => read(value)).toThrow('What the store holds of device "pump-17" is not readable. Restore a backup.');
  });
});
