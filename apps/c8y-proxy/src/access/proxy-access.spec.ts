import { parseC8yProxyRules } from '@sallyport/config';
import { deviceId, type MqttParty } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { routeOf } from '../forwarding/route.js';
import { ProxyAccess } from './proxy-access.js';

const rules = parseC8yProxyRules(
  [
    '[[rule]]',
    'roles = ["device"]',
    'methods = ["POST"]',
    'paths = ["/measurement/", "/identity/externalIds/c8y_Serial/{id}"]',
    '[[rule]]',
    'names = ["press-7", "operator", "mqtt-bridge"]',
    'paths = ["/inventory"]',
    '[[rule]]',
    'roles = ["anonymous"]',
    'paths = ["/tenant/currentTenant", "/own/{id}"]',
    '[[rule]]',
    'roles = ["gateway"]',
    'paths = ["/"]',
    '[[rule]]',
    'roles = ["admin"]',
    'paths = ["/größe"]',
  ].join('\n'),
  'rules.toml',
);
const access = new ProxyAccess(rules);
const named = (role: Exclude<MqttParty['role'], 'anonymous'>, name: string): MqttParty => ({
  role,
  name: deviceId.parse(name),
});
const child = named('device', 'child01');
const anonymous: MqttParty = { role: 'anonymous' };

function allows(party: MqttParty, method: string, target: string): boolean {
  const route = routeOf(`/c8y${target}`);
  return route.kind === 'tenant' && access.allows(party, method, route.readings);
}

describe('rules of the site for the Cumulocity proxy', () => {
  it.each([
    [child, 'POST', '/measurement/measurements'],
    [child, 'POST', '/measurement?x=1'],
    [child, 'POST', '/identity/externalIds/c8y_Serial/child01'],
    [child, 'POST', '/identity/externalIds/c8y_Serial/child%301'],
    [named('device', 'press-7'), 'DELETE', '/inventory/managedObjects/1'],
    [named('device', 'press-7'), 'POST', '/measurement/measurements'],
    [named('gateway', 'local-client'), 'PUT', '/anything/at/all'],
    [named('gateway', 'local-client'), 'GET', '/'],
    [anonymous, 'GET', '/tenant/currentTenant'],
    [named('admin', 'alice'), 'GET', '/gr%C3%B6%c3%9fe/1'],
  ])('allow %j %s %s', (party, method, target) => {
    expect(allows(party, method, target)).toBe(true);
  });

  it.each([
    [child, 'GET', '/measurement/measurements'],
    [child, 'POST', '/measurements'],
    [child, 'POST', '/'],
    [child, 'POST', '/identity/externalIds/c8y_Serial/child02'],
    [child, 'POST', '/identity/externalIds/c8y_Serial/child01/../child02'],
    [child, 'POST', '/measurement/../inventory/managedObjects'],
    [child, 'POST', '/measurement/%2e%2e/inventory/managedObjects'],
    [child, 'POST', '/measurement/%252e%252e/inventory/managedObjects'],
    [child, 'POST', '/measurement/..;x/inventory/managedObjects'],
    [child, 'POST', '/measurement%2f..%2finventory/managedObjects'],
    [child, 'POST', '/measurement/..%5cinventory'],
    [child, 'POST', '/measurement%3f/../../inventory'],
    [child, 'POST', '/inventory/../measurement'],
    [child, 'POST', '/inventory/%2e%2e/measurement'],
    [child, 'DELETE', '/inventory/managedObjects/1'],
    [named('service', 'grafana'), 'GET', '/measurement/measurements'],
    [named('device', 'operator'), 'GET', '/inventory'],
    [named('device', 'mqtt-bridge'), 'GET', '/inventory'],
    [anonymous, 'GET', '/own/{id}'],
    [anonymous, 'POST', '/measurement/measurements'],
    [named('admin', 'alice'), 'GET', '/gr%F6%DFe/1'],
  ])('do not allow %j %s %s', (party, method, target) => {
    expect(allows(party, method, target)).toBe(false);
  });

  it('that are none at all allow nobody anything', () => {
    expect(new ProxyAccess([]).allows(child, 'GET', ['/'])).toBe(false);
  });

  it('that no setting names let everybody do everything', () => {
    expect(new ProxyAccess(undefined).allows(anonymous, 'DELETE', ['/a'])).toBe(true);
  });
});
