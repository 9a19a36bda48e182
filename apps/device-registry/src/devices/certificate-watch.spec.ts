import { connectMqtt, type Mqtt } from '@sallyport/mqtt';
import { type DeviceEvent, deviceEvent } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprintOf, peer, RegistryUnderTest } from '../registry.fixture.js';
import { CertificateWatch } from './certificate-watch.js';

describe('the end of device certificates', () => {
  let registry: RegistryUnderTest;
  let mqtt: Mqtt;
  let warnings: DeviceEvent[];
  beforeEach(async () => {
    registry = await RegistryUnderTest.start();
    mqtt = await connectMqtt(registry.connection('listener'));
    warnings = [];
    await mqtt.subscribe('sallyport/events/#', (_topic, payload) => {
      const event = deviceEvent.parse(JSON.parse(payload.toString()));
      if (event.type === 'certificate_expiring') warnings.push(event);
    });
  });
  afterEach(async () => {
    await mqtt.close();
    await registry.stop();
  });

  const register = (deviceId: string, validity: { notBefore?: string; notAfter: string }) =>
    registry.admit(
      peer({
        deviceId,
        fingerprint: fingerprintOf(deviceId),
        serialNumber: Buffer.from(deviceId).toString('hex'),
        ...validity,
      }),
    );
  const lookOn = async (day: string) => {
    registry.clock.set(new Date(`${day}T12:00:00Z`));
    await registry.part(CertificateWatch).look();
  };
  const given = () => warnings.map(({ device, payload }) => `${device} ${payload?.['days']}`);
  const year = { notBefore: '2026-05-01T00:00:00Z', notAfter: '2027-05-01T00:00:00Z' };

  it('is told 90, 30 and 7 days before, and when it has come, each once, also over a restart', async () => {
    await register('pump', year);
    for (const day of ['2027-01-30', '2027-02-01', '2027-04-02', '2027-04-23']) await lookOn(day);
    await registry.restart();
    for (const day of ['2027-04-24', '2027-04-26', '2027-05-02']) await lookOn(day);
    await waitFor(() => warnings.length === 4);
    expect(given()).toEqual(['pump 90', 'pump 30', 'pump 7', 'pump 0']);
    expect(warnings[0]).toMatchObject({ fingerprint: fingerprintOf('pump'), payload: { notAfter: year.notAfter } });
  });

  it('is told by the last warning only when nobody has looked for long', async () => {
    await register('pump', year);
    await lookOn('2027-04-28');
    await waitFor(() => warnings.length > 0);
    expect(given()).toEqual(['pump 7']);
  });

  it('is not told of devices that are locked, or that have a newer certificate', async () => {
    await register('locked', year);
    await registry.change('locked', 'lock');
    await register('renewed', year);
    const newer = { fingerprint: fingerprintOf('newer'), serialNumber: '99', notAfter: '2028-05-01T00:00:00Z' };
    await registry.admit(peer({ deviceId: 'renewed', ...newer }));
    await register('pump', year);
    await lookOn('2027-04-28');
    await waitFor(() => warnings.length > 0);
    expect(given()).toEqual(['pump 7']);
  });

  it('is not told of a certificate that was made for hardly more days', async () => {
    await register('short', { notBefore: '2026-06-01T00:00:00Z', notAfter: '2026-06-15T00:00:00Z' });
    for (const day of ['2026-06-02', '2026-06-07']) await lookOn(day);
    expect(given()).toEqual([]);
    await lookOn('2026-06-09');
    await waitFor(() => warnings.length > 0);
    expect(given()).toEqual(['short 7']);
  });

  it('is told for each device of a fleet whose certificates all end at once', async () => {
    for (let each = 0; each < 205; each += 1) await register(`pump-${each}`, year);
    await lookOn('2027-04-10');
    await lookOn('2027-04-11');
    await waitFor(() => warnings.length >= 205);
    expect(new Set(given()).size).toBe(205);
    expect(warnings).toHaveLength(205);
  });

  it('is counted in the log once a day', async () => {
    await register('pump', year);
    for (const day of ['2027-04-10', '2027-04-10', '2027-04-11']) await lookOn(day);
    const lines = registry.logged.filter(
      (line) => line.includes('device certificates that end soon') && line.includes('"days30":1'),
    );
    expect(lines).toHaveLength(2);
  });
});
