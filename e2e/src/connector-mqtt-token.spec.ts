import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Subscriber } from './mosquitto.js';
import { System, succeeded } from './system.js';

describe('a device with a token, over MQTT', () => {
  let system: System;

  beforeAll(async () => {
    system = await System.start();
    succeeded(await system.sallyport('connector', 'provisioning', '--self', 'on', '--auth', 'token'));
    succeeded(await system.sallyport('connector', 'save', '--yes'));
    succeeded(await system.sallyport('ca', 'export', '--output', 'site.crt'));
  }, 120_000);
  afterAll(() => system.stop());

  const entrance = () => [
    ...['-h', 'localhost', '-p', String(system.ports.connectorMqtt)],
    ...['--cafile', `${system.directory}/site.crt`],
  ];
  const provision = (identity: string) => {
    const topic = `$provision/${identity}`;
    return system.run('mosquitto_rr', [...entrance(), '-t', topic, '-e', topic, '-n', '-W', '5']);
  };

  it('gets its token once, writes with it, and its session ends when it is locked', async () => {
    const token = succeeded(await provision('pump-30')).trim();
    expect(token).toMatch(/^[A-Za-z0-9]{40}$/);
    expect((await provision('pump-30')).stdout.trim()).toBe('');

    const login = [...entrance(), '-u', '', '-P', token];
    succeeded(await system.run('mosquitto_pub', [...login, '-q', '1', '-t', '$resource/a', '-m', '1']));
    await using session = await Subscriber.open([...login, '-t', '$resource/#']);
    succeeded(await system.sallyport('device', 'lock', 'pump-30'));
    await session.said(/disconnected|connection was lost|not authorised|Connection Refused/i);
    expect((await system.run('mosquitto_pub', [...login, '-t', '$resource/a', '-m', '2'])).code).toBe(5);
  }, 120_000);

  it('is refused with a wrong token', async () => {
    const guess = [...entrance(), '-u', '', '-P', 'x'.repeat(40), '-t', '$resource/a', '-m', '1'];
    expect((await system.run('mosquitto_pub', guess)).code).toBe(4);
  });
});
