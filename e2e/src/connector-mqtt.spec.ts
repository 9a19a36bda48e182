import { TestCa, type TestCertificate, waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { admitFleet } from './client-ca.js';
import { Subscriber } from './mosquitto.js';
import { type CommandResult, System, succeeded } from './system.js';

describe('devices of a Client CA, as clients of Mosquitto', () => {
  let system: System;
  let fleet: TestCa;

  beforeAll(async () => {
    fleet = await TestCa.create({ commonName: 'fleet' });
    system = await System.start();
    await admitFleet(system, fleet);
    succeeded(await system.sallyport('ca', 'export', '--output', 'site.crt'));
  });
  afterAll(async () => {
    await system.stop();
    await fleet?.[Symbol.asyncDispose]();
  });

  const device = (commonName: string) => fleet.issue({ commonName, key: 'P-256' });
  const as = ({ certPath, keyPath }: Pick<TestCertificate, 'certPath' | 'keyPath'>): string[] => {
    const port = String(system.ports.connectorMqtt);
    return [
      '-h',
      'localhost',
      '-p',
      port,
      '--cafile',
      `${system.directory}/site.crt`,
      '--cert',
      certPath,
      '--key',
      keyPath,
    ];
  };
  const publish = (certificate: TestCertificate, alias: string, value: string): Promise<CommandResult> =>
    system.run('mosquitto_pub', [...as(certificate), '-q', '1', '-t', `$resource/${alias}`, '-m', value]);

  it('are registered with their first message, and their values are there', async () => {
    await using events = await Subscriber.open([
      ...['-h', 'localhost', '-p', String(system.ports.mqtt)],
      ...['-q', '1', '-t', 'sallyport/events/default/pump-17'],
    ]);
    succeeded(await publish(await device('pump-17'), 'temperature', '50'));
    await events.said(/data_in/);
    const types = events.messages.map((message) => /"type":"(\w+)"/.exec(message)?.[1]);
    expect(types.filter((type) => type === 'provisioned' || type === 'data_in')).toEqual(['provisioned', 'data_in']);
    expect(succeeded(await system.sallyport('device', 'show', 'pump-17'))).toContain('CN=fleet');
  });

  it('share their values with the HTTP device API', async () => {
    const pump = await device('pump-18');
    succeeded(await publish(pump, 'temperature', '51'));
    const files = ['--cacert', 'site.crt', '--cert', pump.certPath, '--key', pump.keyPath];
    const url = `https://localhost:${system.ports.connector}/api:v1/stack/alias?temperature`;
    expect(succeeded(await system.run('curl', ['--silent', '--show-error', ...files, url]))).toBe('temperature=51');
  });

  it('are cut when they are locked, and refused until they are unlocked', async () => {
    const pump = await device('pump-19');
    succeeded(await publish(pump, 'a', '1'));
    await using session = await Subscriber.open([...as(pump), '-t', '$resource/#']);
    succeeded(await system.sallyport('device', 'lock', 'pump-19'));
    await session.said(/disconnected|connection was lost|not authorised|Connection Refused/i);
    const { code, stderr } = await publish(pump, 'a', '2');
    expect([code, stderr]).toEqual([5, expect.stringContaining('Connection Refused: not authorised.')]);
    succeeded(await system.sallyport('device', 'unlock', 'pump-19'));
    await waitFor(async () => (await publish(pump, 'a', '3')).code === 0);
  });

  it('of another CA are refused', async () => {
    await using other = await TestCa.create({ commonName: 'other' });
    const { code } = await publish(await other.issue({ commonName: 'pump-20', key: 'P-256' }), 'a', '1');
    expect(code).not.toBe(0);
    expect((await system.sallyport('device', 'show', 'pump-20')).code).not.toBe(0);
  });

  it('cannot use the client id of another device', async () => {
    const pump = await device('pump-21');
    const args = [...as(pump), '-i', 'pump-17', '-q', '1', '-t', '$resource/a', '-m', '1'];
    const { code, stderr } = await system.run('mosquitto_pub', args);
    expect([code, stderr]).toEqual([2, expect.stringContaining('Connection Refused: identifier rejected.')]);
  });
});
