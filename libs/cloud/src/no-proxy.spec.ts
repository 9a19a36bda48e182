import { describe, expect, it } from 'vitest';
import { isReachedDirectly } from './no-proxy.js';

describe('proxy.no_proxy', () => {
  it.each([
    ['*', 'any.example'],
    ['tenant.example', 'tenant.example'],
    ['tenant.example', 'mqtt.tenant.example'],
    ['.tenant.example', 'mqtt.tenant.example'],
    ['*.tenant.example', 'mqtt.tenant.example'],
    ['Tenant.Example', 'MQTT.tenant.example.'],
    ['10.1.2.3', '10.1.2.3'],
    ['10.0.0.0/8', '10.200.0.1'],
    ['fd00::/8', 'fd12::1'],
    ['[::1]', '::1'],
  ])('%s covers %s', (entry, host) => {
    expect(isReachedDirectly(host, ['elsewhere.example', entry])).toBe(true);
  });

  it.each([
    ['tenant.example', 'othertenant.example'],
    ['.tenant.example', 'example'],
    ['10.0.0.0/8', '11.0.0.1'],
    ['10.0.0.0/8', '10.example'],
    ['10.0.0.0/33', '10.0.0.1'],
    ['10.0.0.0/8', 'fd12::1'],
    ['.', 'tenant.example'],
    ['0.0.0.1', 'tenant.example'],
  ])('%s does not cover %s', (entry, host) => {
    expect(isReachedDirectly(host, [entry])).toBe(false);
  });
});
