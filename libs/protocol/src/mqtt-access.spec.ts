import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { deviceId, type PeerKind } from './ids.js';
import { mosquittoAcl } from './mosquitto-acl.js';
import { MqttAccess, type MqttAccessRule, type MqttParty, sessionIdOf, userNameOf } from './mqtt-access.js';
import { renderMqttAccessReference } from './mqtt-access-reference.js';

function party(name: string, kind: PeerKind = 'device', access = new MqttAccess()): MqttParty {
  return access.partyOf({ deviceId: deviceId.parse(name), kind });
}

const anonymous: MqttParty = { role: 'anonymous' };
const gateway = party('local-client', 'service');
const registry = party('device-registry', 'service');
const agent = party('agent', 'service');
const signer = party('pki-signer', 'service');
const operator = party('operator', 'admin');

function rule(part: Partial<MqttAccessRule>): MqttAccessRule {
  return { roles: [], names: [], publish: [], subscribe: [], purpose: 'a test', ...part };
}

describe('a name in a rule of the site', () => {
  const names = ['mqtt-bridge', 'local-client', 'operator', 'press-7'];
  const access = new MqttAccess({ siteRules: [rule({ names, publish: ['plant/#'] })] });

  it.each(['mqtt-bridge', 'local-client', 'operator'])('gives a device that calls itself %s nothing', (name) => {
    expect(access.mayPublish(party(name), 'plant/x')).toBe(false);
  });

  it('gives its rights to a device, to the programs of this machine and to the administrator', () => {
    const owners = [party('press-7'), party('local-client', 'service'), party('operator', 'admin')];
    expect(owners.map((owner) => access.mayPublish(owner, 'plant/x'))).toEqual([true, true, true]);
  });
});

describe('a device', () => {
  const access = new MqttAccess();
  const child = party('child01');

  it.each(['te/device/child01', 'te/device/child01///cmd/restart/1', 'te/device/child01/service/app/status/health'])(
    'publishes and receives %s, its own',
    (topic) => {
      expect([access.mayPublish(child, topic), access.mayReceive(child, topic)]).toEqual([true, true]);
    },
  );

  it.each([
    'te/device/child02///twin/name',
    'te/device/child011///twin/name',
    'te/device/main///cmd/restart/1',
    'te/errors',
    'c8y/s/us',
    'sallyport/v1/event/device-changed',
    '$SYS/broker/uptime',
    '/te/device/child01/x',
  ])('neither publishes nor receives %s', (topic) => {
    expect([access.mayPublish(child, topic), access.mayReceive(child, topic)]).toEqual([false, false]);
  });

  it.each(['#', 'te/#', 'te/+/+/+/+', '+/device/child01/#', 'te/device/child01///cmd/+/+', '$share/g/te/device/#'])(
    'is granted %s, which may bring it its own topics',
    (filter) => {
      expect(access.maySubscribe(child, filter)).toBe(true);
    },
  );

  it.each(['te/device/child02/#', 'te/errors', 'sallyport/v1/#', '$SYS/#', 'c8y/#', '$share/g/sallyport/v1/#'])(
    'is refused %s, which could bring it nothing',
    (filter) => {
      expect(access.maySubscribe(child, filter)).toBe(false);
    },
  );

  it('has its topics below another root where the site has set one', () => {
    const other = new MqttAccess({ topicRoot: 'plant' });
    expect(other.mayPublish(child, 'plant/device/child01/x')).toBe(true);
    expect(other.mayPublish(child, 'te/device/child01/x')).toBe(false);
  });

  it('with the id "main" does not speak for the main device', () => {
    const main = party('main');
    expect(access.mayPublish(main, 'te/device/main///cmd/restart/1')).toBe(false);
    expect(access.maySubscribe(main, 'te/device/main/#')).toBe(false);
  });

  it.each(['agent', 'device-registry', 'local-client', 'operator'])('named %s gets no rights of that name', (name) => {
    const impostor = party(name);
    expect(access.mayPublish(impostor, 'sallyport/v1/rpc/device-registry/admit-peer')).toBe(false);
    expect(access.mayReceive(impostor, 'te/device/child01/x')).toBe(false);
  });

  it('with $& and $1 in a pattern of its id is taken literally', () => {
    const odd = party("a%u%c(*)'");
    expect(access.mayPublish(odd, "te/device/a%u%c(*)'/x")).toBe(true);
    expect(access.mayPublish(odd, 'te/device/a/x')).toBe(false);
  });
});

describe('the gateway', () => {
  const access = new MqttAccess({ gatewayId: 'gw-1', cloudPrefixes: ['c8y-plant2'] });

  it.each(['te/device/child01//', 'te/errors', 'te/device/main/service/tedge-agent', 'c8y-plant2/s/us'])(
    'publishes and receives %s',
    (topic) => {
      expect([access.mayPublish(gateway, topic), access.mayReceive(gateway, topic)]).toEqual([true, true]);
    },
  );

  it.each(['sallyport/v1/event/device-changed', 'sallyport/v1/dead-letter/agent/1', 'az/x'])(
    'has no right to %s',
    (t) => {
      expect([access.mayPublish(gateway, t), access.mayReceive(gateway, t)]).toEqual([false, false]);
    },
  );

  it('is also the device that is the gateway itself, with the certificate for its cloud', () => {
    expect(party('gw-1', 'device', access).role).toBe('gateway');
    expect(party('gw-2', 'device', access).role).toBe('device');
  });
});

describe('the Cumulocity proxy', () => {
  const access = new MqttAccess({ cloudPrefixes: ['c8y', 'c8y-plant2'] });
  const proxy = party('c8y-proxy', 'service');

  it.each(['c8y', 'c8y-plant2'])('asks for a token below %s, and does nothing else there', (prefix) => {
    expect(access.mayPublish(proxy, `${prefix}/s/uat`)).toBe(true);
    expect(access.mayReceive(proxy, `${prefix}/s/dat`)).toBe(true);
    for (const topic of [`${prefix}/s/us`, `${prefix}/s/dat`, `${prefix}/s/uat/x`])
      expect([topic, access.mayPublish(proxy, topic)]).toEqual([topic, false]);
    for (const topic of [`${prefix}/s/ds`, `${prefix}/s/uat`, `${prefix}/s/dat/x`])
      expect([topic, access.mayReceive(proxy, topic)]).toEqual([topic, false]);
  });

  it.each(['te/device/main///m/x', 'te/device/child01///cmd/restart/1'])('neither sends nor reads %s', (topic) => {
    expect([access.mayPublish(proxy, topic), access.mayReceive(proxy, topic)]).toEqual([false, false]);
  });
});

describe('a service', () => {
  const access = new MqttAccess();

  it('shows its health, and not that of another', () => {
    expect(access.mayPublish(agent, 'te/device/main/service/sallyport-agent/status/health')).toBe(true);
    expect(access.mayPublish(agent, 'te/device/main/service/sallyport-pki-signer/status/health')).toBe(false);
    expect(access.mayReceive(agent, 'te/device/main///cmd/health/check')).toBe(true);
  });

  it.each([
    [registry, 'sallyport/v1/event/device-changed'],
    [signer, 'sallyport/v1/event/certificate-revoked'],
  ])('sends its own event', (sender, topic) => {
    const senders = [agent, registry, signer, gateway, operator].filter((one) => access.mayPublish(one, topic));
    expect(senders).toEqual([sender]);
    expect([agent, registry, signer, operator].every((one) => access.mayReceive(one, topic))).toBe(true);
  });

  it('alone receives the requests to it', () => {
    const topic = 'sallyport/v1/rpc/pki-signer/read-trust-bundle';
    expect([agent, registry, signer, gateway, operator].filter((one) => access.mayReceive(one, topic))).toEqual([
      signer,
    ]);
  });

  it('of another name has no rights until the site gives it some', () => {
    const other = party('grafana', 'service');
    expect(access.mayPublish(other, 'te/device/main/service/sallyport-grafana/status/health')).toBe(false);
    expect(access.mayPublish(other, 'sallyport/v1/rpc/device-registry/admit-peer')).toBe(false);
    const site = new MqttAccess({ siteRules: [rule({ names: ['grafana'], subscribe: ['te/#'] })] });
    expect(site.mayReceive(other, 'te/device/child01/x')).toBe(true);
  });

  it('may read and remove its dead letters; so may an administrator', () => {
    const topic = 'sallyport/v1/dead-letter/agent/1';
    const readers = [agent, registry, signer, gateway, operator].filter((one) => access.mayReceive(one, topic));
    expect(readers).toEqual([agent, operator]);
    expect([agent, operator].every((one) => access.mayPublish(one, topic))).toBe(true);
  });
});

describe('the bridge to the clouds', () => {
  const access = new MqttAccess();
  const bridge = party('mqtt-bridge', 'service');

  it.each(['c8y/s/us', 'te/device/child01///m/x', 'plant/line/4', 'te/device/main/service/tedge-mapper-bridge-c8y'])(
    'publishes and receives %s',
    (topic) => {
      expect([access.mayPublish(bridge, topic), access.mayReceive(bridge, topic)]).toEqual([true, true]);
    },
  );

  it.each(['sallyport/v1/rpc/device-registry/admit-peer', 'sallyport/v1/event/device-changed', '$SYS/broker/uptime'])(
    'takes %s to no cloud, and from none',
    (topic) => {
      expect([access.mayPublish(bridge, topic), access.mayReceive(bridge, topic)]).toEqual([false, false]);
    },
  );

  it('is kept from the topics of the services by Mosquitto too', () => {
    const section = mosquittoAcl(access, 'door')
      .split('\n\n')
      .find((text) => text.startsWith('user service/mqtt-bridge\n'));
    expect(section?.split('\n')).toEqual([
      'user service/mqtt-bridge',
      'topic deny sallyport/v1/#',
      'topic deny sallyport/events/#',
      'topic readwrite te/device/main/service/sallyport-mqtt-bridge/#',
      'topic readwrite #',
      'topic read te/device/main///cmd/health/check',
    ]);
  });
});

describe('a client without an identity', () => {
  const access = new MqttAccess();

  it.each(['a', 'te/device/main///cmd/x', 'sallyport/v2', 'sallyport/v11/x'])('may use %s', (topic) => {
    expect([access.mayPublish(anonymous, topic), access.mayReceive(anonymous, topic)]).toEqual([true, true]);
  });

  it.each(['sallyport/v1', 'sallyport/v1/rpc/x', '$SYS/x'])('may not use %s', (topic) => {
    expect([access.mayPublish(anonymous, topic), access.mayReceive(anonymous, topic)]).toEqual([false, false]);
  });
});

describe('the events of devices', () => {
  const access = new MqttAccess({
    siteRules: [
      rule({ names: ['press-7'], publish: ['sallyport/events/#'], subscribe: ['sallyport/events/default/press-7'] }),
    ],
  });
  const topic = 'sallyport/events/default/press-7';

  it.each([
    ['the registry', registry, [true, true]],
    ['an administrator', operator, [false, true]],
    ['the gateway', gateway, [false, true]],
    ['the bridge', party('mqtt-bridge', 'service'), [false, true]],
    ['a client without an identity', anonymous, [false, true]],
    ['a device that the rules of the site let read them', party('press-7', 'device', access), [false, true]],
    ['another device', party('press-8'), [false, false]],
    ['another service', signer, [false, false]],
  ])('are sent by services only; %s', (_who, who, rights) => {
    expect([access.mayPublish(who, topic), access.mayReceive(who, topic)]).toEqual(rights);
  });
});

describe('rules of the site', () => {
  const access = new MqttAccess({
    siteRules: [
      rule({ roles: ['device'], publish: ['plant/{id}/up'], subscribe: ['plant/all/#'] }),
      rule({ names: ['press-7'], publish: ['line/+/speed'] }),
    ],
  });

  it('add rights for a role, with the name of the client in its place', () => {
    expect(access.mayPublish(party('a'), 'plant/a/up')).toBe(true);
    expect(access.mayPublish(party('a'), 'plant/b/up')).toBe(false);
    expect(access.mayReceive(party('a'), 'plant/all/x')).toBe(true);
    expect(access.mayPublish(gateway, 'plant/all/x')).toBe(false);
  });

  it('add rights for a name', () => {
    expect(access.mayPublish(party('press-7'), 'line/4/speed')).toBe(true);
    expect(access.mayPublish(party('press-8'), 'line/4/speed')).toBe(false);
  });

  it('never reach the topics of the services and of the broker with a wildcard', () => {
    const wide = new MqttAccess({
      siteRules: [rule({ roles: ['device'], publish: ['#'], subscribe: ['#', '+/v1/#'] })],
    });
    for (const topic of ['sallyport/v1/rpc/x', '$SYS/x'])
      expect([wide.mayPublish(party('a'), topic), wide.mayReceive(party('a'), topic)]).toEqual([false, false]);
  });

  it('never reach them through the name of a device', () => {
    const odd = new MqttAccess({ siteRules: [rule({ roles: ['device'], publish: ['{id}/v1/rpc/#'] })] });
    expect(odd.mayPublish(party('sallyport'), 'sallyport/v1/rpc/x')).toBe(false);
    expect(odd.mayPublish(party('a'), 'a/v1/rpc/x')).toBe(true);
  });

  it('apply to open connections as soon as they are replaced', () => {
    const live = new MqttAccess();
    const device = party('a');
    expect(live.mayPublish(device, 'plant/a/up')).toBe(false);
    live.replaceSiteRules([rule({ roles: ['device'], publish: ['plant/{id}/up'] })]);
    expect(live.mayPublish(device, 'plant/a/up')).toBe(true);
    live.replaceSiteRules([]);
    expect(live.mayPublish(device, 'plant/a/up')).toBe(false);
  });
});

describe('names behind the door', () => {
  it.each([
    [party('child01'), 'child01'],
    [party('agent'), 'agent'],
    [agent, 'service/agent'],
    [gateway, 'role/gateway'],
    [operator, 'role/admin'],
    [anonymous, 'role/anonymous'],
  ])('tell roles apart', (who, name) => {
    expect(userNameOf(who)).toBe(name);
  });

  it('put the identity before the client id and hold no wildcard', () => {
    expect(sessionIdOf(party('child01'), 'tedge-agent#te/device/child01//')).toBe(
      'device/child01/tedge-agent%23te/device/child01//',
    );
    expect(sessionIdOf(anonymous, 'a+b%23')).toBe('anonymous/a%2Bb%2523');
  });
});

describe('access rules of Mosquitto', () => {
  const sectionOf = (acl: string, user: string) =>
    acl.split('\n\n').find((section) => section.startsWith(`user ${user}\n`));

  it('add the rights of a rule for the operator to those of an administrator', () => {
    const access = new MqttAccess({ siteRules: [rule({ names: ['operator'], subscribe: ['plant/#'] })] });
    const section = sectionOf(mosquittoAcl(access, 'certificate'), 'operator');
    expect(section).toContain('topic readwrite te/#');
    expect(section).toContain('topic read plant/#');
  });

  it('give a device its rights by name when its client ids hold wildcards', () => {
    const acl = mosquittoAcl(new MqttAccess(), 'certificate', ['child01']);
    expect(sectionOf(acl, 'child01')).toBe('user child01\ntopic readwrite te/device/child01/#');
  });

  it('give a service no rights of a device with its name', () => {
    expect(sectionOf(mosquittoAcl(new MqttAccess(), 'certificate'), 'agent')).toContain('topic deny te/device/agent/#');
  });
});

describe('what is made from the table; if stale, run: node tools/write-reference.mjs', () => {
  const root = join(import.meta.dirname, '../../..');

  it('is what docs/reference/mqtt-access.md says', async () => {
    expect(await readFile(join(root, 'docs/reference/mqtt-access.md'), 'utf8')).toBe(renderMqttAccessReference());
  });

  it('is what deploy/mosquitto/sallyport.acl says', async () => {
    const acl = await readFile(join(root, 'deploy/mosquitto/sallyport.acl'), 'utf8');
    expect(acl).toBe(mosquittoAcl(new MqttAccess(), 'certificate'));
  });
});
