import 'reflect-metadata';
import { healthRoutes } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { BridgeSite } from './bridge-site.fixture.js';

const health = 'te/device/main/service/tedge-mapper-bridge-c8y/status/health';

describe.each(['embedded broker', 'Mosquitto'] as const)('a bridge between the %s and Cumulocity', (localBroker) => {
  it('passes messages both ways, over mutual TLS', async () => {
    await using site = await BridgeSite.open({ localBroker });
    await site.publish('c8y/s/us', '200,c8y_Temperature,T,25');
    await waitFor(() => site.cloud.mqtt.received('s/us').includes('200,c8y_Temperature,T,25'));
    site.cloud.mqtt.send('s/ds', '510,gateway01');
    await waitFor(() => site.texts('c8y/s/ds').length > 0);
    expect(site.texts('c8y/s/ds')).toEqual(['510,gateway01']);
  });

  it('loses nothing that was published while the cloud was away', async () => {
    await using site = await BridgeSite.open({ localBroker });
    await site.cloud.mqtt.link.refuse();
    await site.untilState('down');
    const texts = Array.from({ length: 50 }, (_, index) => `200,c8y_Count,N,${index}`);
    for (const text of texts) await site.publish('c8y/s/us', text);
    await site.cloud.mqtt.link.heal();
    await site.untilState('up');
    await waitFor(() => site.cloud.mqtt.received('s/us').includes('200,c8y_Count,N,49'));
    const arrived = site.cloud.mqtt.received('s/us').filter((text) => text.startsWith('200,c8y_Count'));
    expect([...new Set(arrived)]).toEqual(texts);
  });

  it('loses nothing that was published while its service was stopped', async () => {
    await using site = await BridgeSite.open({ localBroker });
    await site.stop();
    await site.publish('c8y/s/us', '200,c8y_Count,N,1');
    await site.start();
    await waitFor(() => site.cloud.mqtt.received('s/us').includes('200,c8y_Count,N,1'));
  });

  it('says that it is up and down, in both forms, on change', async () => {
    await using site = await BridgeSite.open({ localBroker });
    const mosquittoHealth = 'te/device/main/service/mosquitto-c8y-bridge/status/health';
    await waitFor(() => site.texts(health).at(-1) === '{"status":"up"}');
    await waitFor(() => site.texts(mosquittoHealth).at(-1) === '1');
    await site.cloud.mqtt.link.refuse();
    await waitFor(() => site.texts(health).at(-1) === '{"status":"down"}');
    await waitFor(() => site.texts(mosquittoHealth).at(-1) === '0');
    expect(site.texts('te/device/main/service/tedge-mapper-bridge-c8y')[0]).toBe(
      '{"@parent":"device/main//","@type":"service","name":"tedge-mapper-bridge-c8y","type":"service"}',
    );
  });

  it('answers health checks, of itself and of the whole device', async () => {
    await using site = await BridgeSite.open({ localBroker });
    await waitFor(() => site.texts(health).at(-1) === '{"status":"up"}');
    for (const topic of [
      'te/device/main/service/tedge-mapper-bridge-c8y/cmd/health/check',
      'te/device/main///cmd/health/check',
    ]) {
      const before = site.texts(health).length;
      await site.publish(topic, '{}');
      await waitFor(() => site.texts(health).length > before);
      expect(site.texts(health).at(-1)).toBe('{"status":"up"}');
    }
  });

  it('says that it is down when its service stops', async () => {
    await using site = await BridgeSite.open({ localBroker });
    await waitFor(() => site.texts(health).at(-1) === '{"status":"up"}');
    await site.stop();
    await waitFor(() => site.texts(health).at(-1) === '{"status":"down"}');
  });
});

describe.each(['embedded broker', 'Mosquitto'] as const)(
  'a bridge that is added without a cloud, at the %s',
  (localBroker) => {
    it('loses nothing that is published as soon as that was answered', async () => {
      await using site = await BridgeSite.prepare({ localBroker, settings: { 'cloud.connections': '' } });
      await site.cloud.mqtt.link.refuse();
      await site.start();
      site.settings['cloud.connections'] = 'c8y';
      await site.reload();
      await site.publish('c8y/s/us', '200,c8y_Count,N,1');
      await site.cloud.mqtt.link.heal();
      await waitFor(() => site.cloud.mqtt.received('s/us').includes('200,c8y_Count,N,1'));
    });
  },
);

describe.each(['Mosquitto', 'Mosquitto with mutual TLS'] as const)(
  'a bridge to a cloud that is away from the start, at a %s',
  (localBroker) => {
    it('loses nothing that is published meanwhile, and says that it is down', async () => {
      await using site = await BridgeSite.prepare({ localBroker });
      await site.cloud.mqtt.link.refuse();
      await site.start();
      await waitFor(() => /tedge-mapper-bridge-c8y disconnected/.test(site.localOutput()));
      await waitFor(() => site.texts(health).at(-1) === '{"status":"down"}');
      for (const count of [1, 2, 3]) await site.publish('c8y/s/us', `200,c8y_Count,N,${count}`);
      expect(site.texts(health)).not.toContain('{"status":"up"}');
      await site.cloud.mqtt.link.heal();
      await site.untilState('up');
      await waitFor(() => site.cloud.mqtt.received('s/us').includes('200,c8y_Count,N,3'));
      const arrived = site.cloud.mqtt.received('s/us').filter((text) => text.startsWith('200,c8y_Count'));
      expect(arrived).toEqual([1, 2, 3].map((count) => `200,c8y_Count,N,${count}`));
    });
  },
);

describe('what a bridge tells Cumulocity about itself', () => {
  it('is a service of the device, under the id of the bridge, up while it is connected', async () => {
    await using site = await BridgeSite.open();
    const line = '102,gateway01:device:main:service:tedge-mapper-bridge-c8y,service,tedge-mapper-bridge-c8y';
    await waitFor(() => site.cloud.mqtt.received('s/us').includes(`${line},up`));
    await site.cloud.mqtt.link.refuse();
    await waitFor(() => site.cloud.mqtt.received('s/us').includes(`${line},down`));
  });
});

describe('how a bridge proves itself', () => {
  it('is with a certificate to a Mosquitto that asks for one too', async () => {
    await using site = await BridgeSite.open({ localBroker: 'Mosquitto with mutual TLS' });
    await site.publish('c8y/s/us', '200,c8y_Count,N,1');
    await waitFor(() => site.cloud.mqtt.received('s/us').includes('200,c8y_Count,N,1'));
  });

  it('is with user name and password of the credentials file, as it is at each connection', async () => {
    const user = { name: 't12345/gateway01', password: 'right' };
    const settings = { 'c8y.auth_method': 'basic', 'device.id': 'gateway01' };
    await using site = await BridgeSite.prepare({ user, settings });
    await site.writeFile('credentials.toml', '[c8y]\nusername = "t12345/gateway01"\npassword = "wrong"\n');
    await site.start();
    await waitFor(async () => (await site.bridges())[0]?.remote.fault !== undefined);
    expect(JSON.stringify(await site.bridges())).not.toContain('wrong');
    await site.writeFile('credentials.toml', '[c8y]\nusername = "t12345/gateway01"\npassword = "right"\n');
    await site.untilState('up');
    await site.publish('c8y/s/us', '200,c8y_Count,N,1');
    await waitFor(() => site.cloud.mqtt.received('s/us').includes('200,c8y_Count,N,1'));
  });

  it('is refused for a cloud that shows a certificate of an unknown CA, in words that say what to do', async () => {
    await using site = await BridgeSite.prepare();
    site.settings['c8y.root_cert_path'] = site.cloud.otherCaPath;
    await site.start();
    await waitFor(async () => /c8y\.root_cert_path/.test((await site.bridges())[0]?.remote.fault ?? ''));
  });
});

describe('a renewed certificate', () => {
  it('is shown over a new connection, without a restart', async () => {
    await using site = await BridgeSite.open();
    const before = connects(site);
    await site.giveCertificate();
    await waitFor(() => connects(site) > before);
    await site.untilState('up');
    await site.publish('c8y/s/us', '200,c8y_Count,N,1');
    await waitFor(() => site.cloud.mqtt.received('s/us').includes('200,c8y_Count,N,1'));
  });
});

function connects({ cloud }: BridgeSite): number {
  return cloud.mqtt.log().match(/New client connected from \S+ as gateway01 /g)?.length ?? 0;
}

const plantRules = `remote_prefix = ""
local_prefix = "c8y/"

[[rule]]
topic = "plant/#"
direction = "outbound"
`;

describe('a reload', () => {
  it('shows in a dry run which rules would change, and changes nothing', async () => {
    await using site = await BridgeSite.open();
    await site.giveRules('plant.toml', plantRules);
    const before = connects(site);
    expect(await site.reload({ dryRun: true })).toEqual({
      isApplied: false,
      changes: [
        {
          name: 'c8y',
          change: 'rules',
          settings: [],
          rules: { added: ['c8y/plant/#  ->  plant/#'], removed: [] },
        },
      ],
    });
    expect((await site.bridges())[0]?.rules.map(({ rule }) => rule)).not.toContain('c8y/plant/#  ->  plant/#');
    expect(connects(site)).toBe(before);
  });

  it('puts new rules in force without a new connection, and counts their messages', async () => {
    await using site = await BridgeSite.open();
    const before = connects(site);
    await site.giveRules('plant.toml', plantRules);
    expect(await site.reload()).toMatchObject({ isApplied: true, changes: [{ name: 'c8y', change: 'rules' }] });
    await site.publish('c8y/plant/line1', 'on');
    await waitFor(() => site.cloud.mqtt.received('plant/line1').length > 0);
    expect(connects(site)).toBe(before);
    const rules = (await site.bridges())[0]?.rules ?? [];
    expect(rules.find(({ rule }) => rule === 'c8y/plant/#  ->  plant/#')).toMatchObject({ forwarded: 1, dropped: {} });
  });

  it('refuses rules that are not valid, with file and line, and the bridge goes on as before', async () => {
    await using site = await BridgeSite.open();
    await site.giveRules('plant.toml', plantRules.replace('outbound', 'sideways'));
    await expect(site.reload()).rejects.toMatchObject({
      type: 'config-invalid',
      message: expect.stringMatching(/plant\.toml.*6/s),
    });
    await site.publish('c8y/s/us', '200,c8y_Count,N,1');
    await waitFor(() => site.cloud.mqtt.received('s/us').includes('200,c8y_Count,N,1'));
    expect((await site.bridges())[0]?.state).toBe('up');
  });

  it('starts and stops bridges as cloud.connections says', async () => {
    await using site = await BridgeSite.prepare({ settings: { 'cloud.connections': '' } });
    await site.start();
    expect(await site.bridges()).toEqual([]);
    site.settings['cloud.connections'] = 'c8y';
    expect(await site.reload()).toMatchObject({ changes: [{ name: 'c8y', change: 'added' }] });
    await site.untilState('up');
    site.settings['cloud.connections'] = '';
    expect(await site.reload()).toMatchObject({ changes: [{ name: 'c8y', change: 'removed' }] });
    expect(await site.bridges()).toEqual([]);
    await waitFor(() => site.texts(health).at(-1) === '{"status":"down"}');
  });

  it('connects anew when a setting of the connection has changed, and names it', async () => {
    await using site = await BridgeSite.open();
    site.settings['c8y.bridge.keepalive_interval'] = '30s';
    const { changes } = await site.reload({ dryRun: true });
    expect(changes).toMatchObject([
      { name: 'c8y', change: 'reconnected', settings: ['c8y.bridge.keepalive_interval'] },
    ]);
  });
});

describe('a cloud whose settings are wrong', () => {
  it('is shown with its fault, and does not keep the service from being ready', async () => {
    await using site = await BridgeSite.prepare({ settings: { 'cloud.connections': 'az,c8y' } });
    await site.start();
    await waitFor(async () => (await site.bridges()).map(({ state }) => state).join() === 'faulty,up');
    expect((await site.bridges())[0]).toMatchObject({ name: 'az', fault: expect.stringContaining('az.url') });
    expect(await site.admin.call(healthRoutes.readiness)).toEqual({ ready: true, faults: {} });
  });

  it('is refused when another connection has the same topic prefix', async () => {
    await using site = await BridgeSite.prepare();
    site.settings['cloud.connections'] = 'c8y,c8y@second';
    await site.writeFile('tedge.toml', '[c8y.profiles.second]\nurl = "localhost"\n');
    await site.start();
    await waitFor(async () => (await site.bridges())[1]?.state === 'faulty');
    expect((await site.bridges())[1]?.fault).toContain('c8y@second and c8y have the same topic prefix "c8y"');
  });
});

describe('two replicas of the service', () => {
  it('do not both bridge: the second waits, and takes over when the first stops', async () => {
    await using site = await BridgeSite.open({ localBroker: 'Mosquitto' });
    const second = await site.startReplica(2);
    await second.untilState('standby');
    const before = connects(site);
    await site.publish('te/device/main///cmd/health/check', '{}');
    const sinceUp = () => site.texts(health).slice(site.texts(health).indexOf('{"status":"up"}'));
    await waitFor(() => sinceUp().length > 1);
    expect(sinceUp()).toEqual(['{"status":"up"}', '{"status":"up"}']);
    await site.publish('c8y/s/us', '200,c8y_Count,N,1');
    await waitFor(() => site.cloud.mqtt.received('s/us').includes('200,c8y_Count,N,1'));
    expect(connects(site)).toBe(before);
    await site.stop();
    await site.publish('c8y/s/us', '200,c8y_Count,N,2');
    await second.untilState('up');
    await waitFor(() => site.cloud.mqtt.received('s/us').includes('200,c8y_Count,N,2'));
    expect(site.cloud.mqtt.received('s/us').filter((text) => text.startsWith('200,'))).toEqual([
      '200,c8y_Count,N,1',
      '200,c8y_Count,N,2',
    ]);
    await second.stop();
  });
});
