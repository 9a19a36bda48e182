import { openMqttSession } from '@sallyport/mqtt';
import { mustRun, type ProgramResult, runProgram, type TestCertificate, waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ValueSite } from './value-site.fixture.js';

describe.each(['mqttv311', 'mqttv5'])('the clients of Mosquitto, %s', (version) => {
  let site: ValueSite;
  let pump: TestCertificate;

  beforeAll(async () => {
    site = await ValueSite.open();
    pump = await site.device('pump-17');
  });
  afterAll(() => site[Symbol.asyncDispose]());

  const words = (): string[] => {
    const tls = ['--cafile', site.ca.certPath, '--cert', pump.certPath, '--key', pump.keyPath];
    return ['-V', version, '-h', 'localhost', '-p', String(site.port), ...tls];
  };
  const publish = (...args: string[]): Promise<ProgramResult> => runProgram('mosquitto_pub', [...words(), ...args]);

  it('publish a value, which is durable when they end', async () => {
    expect(await publish('-q', '1', '-t', '$resource/temperature', '-m', '50')).toMatchObject({
      exitCode: 0,
      stderr: '',
    });
    expect(await site.reported('pump-17', 'temperature')).toBe('50');
  });

  it('publish values of former times', async () => {
    const batch = '[{"timestamp":1700000000,"values":{"level":1}},{"timestamp":1700000060,"values":{"level":2}}]';
    expect(await publish('-q', '1', '-t', '$resource.batch', '-m', batch)).toMatchObject({ exitCode: 0 });
    const history = await site.twin.history('pump-17', { alias: 'level' });
    expect(history.map(({ value, atMicros }) => [value, atMicros])).toEqual([
      ['2', 1_700_000_060_000_000],
      ['1', 1_700_000_000_000_000],
    ]);
  });

  it('publish thousands of values, and each is kept in order', async () => {
    const lines = Array.from({ length: 2_000 }, (_, index) => `${index}\n`).join('');
    const args = [...words(), '-q', '1', '-t', '$resource/counter', '-l'];
    await mustRun('mosquitto_pub', args, { input: lines });
    const history = await site.twin.history('pump-17', { alias: 'counter', limit: 1_000 });
    expect(history.slice(0, 3).map(({ value }) => value)).toEqual(['1999', '1998', '1997']);
  });

  it('get a value that was set for the device again, until they have published it back', async () => {
    await site.desire('pump-17', 'valve', 'open');
    const get = () =>
      runProgram('mosquitto_sub', [...words(), '-q', '1', '-t', '$resource/#', '-C', '1', '-W', '10', '-v']);
    const first = await get();
    expect(first.stdout).toMatch(/^\$resource\/valve\/\d{16} open\n$/);
    expect((await get()).stdout).toBe(first.stdout);
    await publish('-q', '1', '-t', '$resource/valve', '-m', 'open');
    await site.desire('pump-17', 'fan', 'on');
    expect((await get()).stdout).toMatch(/^\$resource\/fan\//);
    await publish('-q', '1', '-t', '$resource/fan', '-m', 'on');
  });

  it('are told when they publish to another topic', async () => {
    const { exitCode, stderr, stdout } = await publish('-q', '1', '-t', 'te/device/main///m/x', '-m', '1');
    if (version === 'mqttv5') expect(`${stdout}${stderr}`).toMatch(/Topic name invalid/i);
    else expect(exitCode).not.toBe(0);
  });
});

describe('MQTT.js', () => {
  it.each([4, 5] as const)('writes values and gets commands, protocol version %i', async (protocolVersion) => {
    await using site = await ValueSite.open();
    const { certPem, keyPem } = await site.device('pump-17');
    const got: string[] = [];
    const url = `mqtts://localhost:${site.port}`;
    const tls = async () => ({ ca: [site.ca.certPem], cert: certPem, key: keyPem });
    const session = await openMqttSession(
      { kind: 'network', url, tls, clientId: 'pump-17' },
      {
        protocolVersion,
        isDurable: true,
        filters: [{ filter: '$resource/#' }],
        onMessage: async ({ topic, payload }) => void got.push(`${topic.split('/')[1]} ${payload}`),
      },
    );
    await session.publish('$resource/temperature', '50');
    expect(await site.reported('pump-17', 'temperature')).toBe('50');
    await site.desire('pump-17', 'valve', 'open');
    await waitFor(() => got.length === 1);
    expect(got).toEqual(['valve open']);
    await session.close();
  });
});
