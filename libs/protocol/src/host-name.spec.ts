import { describe, expect, it } from 'vitest';
import { isConnectableHost, readHost } from './index.js';

describe('a host in a server certificate', () => {
  it.each([
    ['Gateway.Local', 'dns', 'gateway.local'],
    ['gateway.local.', 'dns', 'gateway.local'],
    ['gerät.example', 'dns', 'xn--gert-noa.example'],
    ['xn--gert-noa.example', 'dns', 'xn--gert-noa.example'],
    ['192.0.2.1', 'ip', '192.0.2.1'],
    ['2001:DB8:0:0::1', 'ip', '2001:db8::1'],
    ['::ffff:192.0.2.1', 'ip', '192.0.2.1'],
    ['::ffff:c000:201', 'ip', '192.0.2.1'],
  ])('is read as certificates have it: %s', (text, type, value) => {
    expect(readHost(text)).toEqual({ host: { type, value } });
  });

  it.each([
    ['', 'is empty'],
    ['my_host', 'has an underscore'],
    ['fe80::1%eth0', 'has a zone'],
    ['[::1]', 'is in brackets'],
    ['gateway.local:8443', 'has a port'],
    ['https://gateway.local', 'has a scheme'],
    ['a b', 'has a space'],
    ['0.0.0.0', 'is the unspecified address'],
    ['::ffff:0.0.0.0', 'is the unspecified address'],
    ['ff02::1', 'is a multicast'],
    ['1234', 'is a number'],
    ['1.2.3', 'is a number'],
    ['*.example', 'is not a host name'],
    ['a..b', 'is not a host name'],
    ['ab--c.example', 'is not a valid A-label'],
    ['\u00ad', 'cannot be written in ASCII'],
    [`${'ä'.repeat(64)}.example`, 'is not a host name'],
  ])('is refused with the reason: %j', (text, fault) => {
    expect(readHost(text).fault).toContain(fault);
  });

  it.each([
    ['my_host', true],
    ['fe80::1%eth0', true],
    ['0.0.0.0', true],
    ['gateway.local.', true],
    ['host:80', false],
    ['a b', false],
    ['-a', false],
  ])('may be less strict when only connections go to it: %s', (text, isConnectable) => {
    expect(isConnectableHost(text)).toBe(isConnectable);
  });
});
