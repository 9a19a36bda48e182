import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprintOf, peer, RegistryUnderTest } from '../registry.fixture.js';

const foreign = { issuedHere: false, issuerFingerprint: fingerprintOf('foreign CA') };
const refusal = 'too-many-new-certificates';

describe('a flood of new certificates under a foreign CA', () => {
  let registry: RegistryUnderTest;
  beforeEach(async () => {
    registry = await RegistryUnderTest.start();
  });
  afterEach(() => registry.stop());

  const newcomer = (deviceId: string) =>
    peer({ ...foreign, deviceId, fingerprint: fingerprintOf(deviceId), serialNumber: '02' });

  /** Comes with so many new devices, a hundred at a time, and counts those that are turned away. */
  const flood = async (count: number): Promise<number> => {
    const newcomers = Array.from({ length: count }, (_, index) => newcomer(`fleet-${index}`));
    const decisions = [];
    while (newcomers.length > 0)
      decisions.push(...(await Promise.all(newcomers.splice(0, 100).map((one) => registry.admit(one)))));
    return decisions.filter((decision) => decision === refusal).length;
  };

  it('is let in up to 1 000, then two a second, and touches nobody else', async () => {
    const known = peer(foreign);
    const renewed = peer({ ...foreign, fingerprint: fingerprintOf('renewed'), serialNumber: '03' });
    const own = peer({ deviceId: 'own', fingerprint: fingerprintOf('own'), serialNumber: '04' });
    await registry.admit(known);

    expect(await flood(1_009)).toBe(10);

    expect(await registry.admit(known)).toBe('admitted');
    expect(await registry.admit(own)).toBe('admitted');
    expect(await registry.admit(renewed)).toBe(refusal);
    registry.clock.advance(1);
    expect(await registry.admit(renewed)).toBe('admitted');
    expect(await registry.admit(newcomer('late-1'))).toBe('admitted');
    expect(await registry.admit(newcomer('late-2'))).toBe(refusal);
    expect(await registry.refusal('GET', '/v1/devices/late-2')).toMatch(/^404/);
  });

  it('is warned of once a minute, with how many were turned away, whatever number of CAs the thief makes', async () => {
    const warnings = () =>
      registry.logged.flatMap((line) => (line.includes('"level":"warn"') ? [/"turnedAway":\d+/.exec(line)?.[0]] : []));
    const comeFrom = (ca: string) =>
      registry.admit(peer({ ...newcomer(ca), issuerFingerprint: fingerprintOf(`CA ${ca}`) }));
    await flood(1_000);

    for (const ca of ['1', '2', '3', '4']) expect(await comeFrom(ca)).toBe(refusal);
    expect(warnings()).toEqual(['"turnedAway":1']);

    registry.clock.advance(60);
    for (let count = 0; count < 120; count += 1) await comeFrom(`later-${count}`);
    expect(await comeFrom('last')).toBe(refusal);
    expect(warnings()).toEqual(['"turnedAway":1', '"turnedAway":4']);
  });
});
