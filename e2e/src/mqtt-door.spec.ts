import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { type Daemon, type ProgramResult, RawMqtt, spawnMosquitto, waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DeviceFiles, OwnProcesses } from './own-processes.js';

const done = { exitCode: 0, stderr: '' };

const openSession = ({ mqttPort: port }: OwnProcesses, { ca, cert, key }: DeviceFiles, clientId: string) => {
  const tls = { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key), servername: 'localhost' };
  return RawMqtt.open({ port, tls }, { clientId, keepAliveSeconds: 60 });
};

/** Revokes or locks the device, and returns how long its session lasted then, in milliseconds. */
async function timeToTheEnd(session: RawMqtt, act: () => Promise<ProgramResult>): Promise<number> {
  let endedAt = 0;
  const ended = session.ended.then(() => {
    endedAt = performance.now();
  });
  // The event may come before the answer of the command.
  expect(await act()).toMatchObject(done);
  const answeredAt = performance.now();
  await ended;
  return endedAt - answeredAt;
}

// The tests of each site run in order.
describe('a site without Mosquitto, each service a process of its own', () => {
  let site: OwnProcesses;
  let child: DeviceFiles;

  beforeAll(async () => {
    site = await OwnProcesses.prepare((directory) => ({
      TEDGE_MQTT_BROKER_SOCKET: directory.file('broker.sock'),
      TEDGE_MQTT_ACCESS_RULES_PATH: directory.file('mqtt-access.toml'),
    }));
    writeFileSync(site.file('mqtt-access.toml'), '');
    await site.start('agent', 'pki-signer', 'device-registry', 'mqtt-broker');
  });
  afterAll(() => site?.[Symbol.asyncDispose]());

  it('opens the back side of its broker to its own user only', () => {
    expect(statSync(site.file('broker.sock')).mode & 0o777).toBe(0o600);
  });

  it('goes to mutual TLS with one command', async () => {
    expect(await site.sallyport('secure', 'mutual')).toMatchObject(done);
    child = await site.enrol('child01');
    const words = ['-t', 'te/device/child01/a', '-q', '1'];
    expect(await site.mosquitto('pub', child, ...words, '-m', 'hello', '-r')).toMatchObject(done);
    expect((await site.mosquitto('sub', child, ...words, '-C', '1', '-W', '5')).stdout).toBe('hello\n');
  });

  it('takes new rules of the site for MQTT topics without a restart, for open sessions too', async () => {
    const other = await site.enrol('child03');
    await using session = await openSession(site, other, 'child03');
    const heard: string[] = [];
    session.onMessage = ({ topic }) => void heard.push(topic);
    await session.subscribe('#', 1);
    const publish = () => site.mosquitto('pub', child, '-t', 'plant/child01/up', '-q', '1', '-V', '5', '-m', 'x');
    expect((await publish()).stderr).toContain('Not authorized');
    const rule = '[[rule]]\nroles = ["device"]\npublish = ["plant/{id}/up"]\nsubscribe = ["plant/#"]\n';
    writeFileSync(site.file('mqtt-access.toml'), rule);
    await waitFor(async () => (await publish()).stderr === '');
    await waitFor(() => heard.length > 0);
    expect(heard[0]).toBe('plant/child01/up');
  });

  it('ends the session of a revoked device within a second', async () => {
    await using session = await openSession(site, child, 'child01');
    const lastedMs = await timeToTheEnd(session, () => site.sallyport('device', 'revoke', 'child01'));
    expect(lastedMs).toBeLessThan(1_000);
    await expect(openSession(site, child, 'child01')).rejects.toThrow();
  });

  it('is whole again after a crash of the broker process', async () => {
    await site.unit('mqtt-broker').end('SIGKILL');
    await site.start('mqtt-broker');
    const next = await site.enrol('child02');
    expect(await site.mosquitto('pub', next, '-t', 'te/device/child02/a', '-m', 'x', '-q', '1')).toMatchObject(done);
  });
});

describe('a site with Mosquitto behind the door', () => {
  let site: OwnProcesses;
  let mosquitto: Daemon;
  let child: DeviceFiles;

  // With the access rules that the program makes, so the services have no other rights than these.
  const startMosquitto = () => {
    const rules = `acl_file ${site.file('mosquitto', 'sallyport.acl')}`;
    return spawnMosquitto({ config: [rules, `listener 0 ${site.file('mosquitto.sock')}`] });
  };

  beforeAll(async () => {
    site = await OwnProcesses.prepare((directory) => ({
      TEDGE_MQTT_BROKER_URL: `unix:${directory.file('mosquitto.sock')}`,
    }));
    const made = await site.sallyport('mqtt', 'broker-config', '--level', 'mutual', '--output', site.file('mosquitto'));
    expect(made).toMatchObject({ exitCode: 0 });
    mosquitto = await startMosquitto();
    await site.start('standalone');
    expect(await site.sallyport('secure', 'mutual')).toMatchObject(done);
    child = await site.enrol('child01');
  });
  afterAll(async () => {
    await site?.[Symbol.asyncDispose]();
    await mosquitto?.stop();
  });

  it('passes the messages of its devices', async () => {
    const words = ['-t', 'te/device/child01/a', '-q', '1'];
    expect(await site.mosquitto('pub', child, ...words, '-m', 'hello', '-r')).toMatchObject(done);
    expect((await site.mosquitto('sub', child, ...words, '-C', '1', '-W', '5')).stdout).toBe('hello\n');
    expect(mosquitto.output()).toContain("u'child01'");
  });

  it('gives the programs of the gateway the right to speak to its devices', async () => {
    await using session = await openSession(site, child, 'agent');
    const heard: string[] = [];
    session.onMessage = ({ topic, payload }) => void heard.push(`${topic} ${payload}`);
    await session.subscribe('te/device/child01///cmd/+/+', 1);
    const command = ['te/device/child01///cmd/restart/1', '{"status":"init"}'];
    expect(await site.sallyport('mqtt', 'pub', ...command)).toMatchObject(done);
    await waitFor(() => heard.length > 0);
    expect(heard).toEqual([command.join(' ')]);
  });

  it('keeps devices off the topics of each other', async () => {
    const other = await site.enrol('child03');
    const words = ['-t', 'te/device/child01///twin/name', '-q', '1', '-V', '5'];
    expect((await site.mosquitto('pub', other, ...words, '-m', 'x', '-r')).stderr).toContain('Not authorized');
    expect((await site.mosquitto('sub', other, ...words, '-C', '1', '-W', '1')).stdout).toBe('');
    expect(mosquitto.output()).not.toMatch(/Denied PUBLISH from service/);
  });

  it.each(['lock', 'revoke'])('ends the session of a device within a second of its %s, for good', async (action) => {
    const device = await site.enrol(`device-${action}`);
    await using session = await openSession(site, device, 'one');
    await using other = await openSession(site, child, 'one');
    let isOver = false;
    void other.ended.then(() => {
      isOver = true;
    });
    const lastedMs = await timeToTheEnd(session, () => site.sallyport('device', action, `device-${action}`));
    expect(lastedMs).toBeLessThan(1_000);
    await expect(openSession(site, device, 'one')).rejects.toThrow(/return code 5/);
    expect(isOver).toBe(false);
  });

  it('serves again when Mosquitto has been killed and started again, without a restart of ours', async () => {
    await mosquitto.kill();
    const isUnready = async () => /waiting|not ready/.test((await site.sallyport('status')).stdout);
    await waitFor(isUnready, { deadlineMs: 10_000 });
    mosquitto = await startMosquitto();
    const publishes = async () =>
      (await site.mosquitto('pub', child, '-t', 'te/device/child01/a', '-m', 'x', '-q', '1')).exitCode === 0;
    await waitFor(publishes, { deadlineMs: 20_000 });
    await waitFor(async () => !(await isUnready()), { deadlineMs: 20_000 });
  });
});
