import { describe, expect, it } from 'vitest';
import {
  brokerUrl,
  connectUrl,
  host,
  hostList,
  httpUrl,
  ipAddress,
  nonZeroPort,
  port,
  redisUrl,
  socketPath,
} from './network-values.js';
import type { ValueType } from './value-type.js';

const read = (type: ValueType, text: string): unknown => type.schema.safeParse(type.fromText(text, '/')).data;
const longLabel = 'a'.repeat(64);

describe('ports', () => {
  it.each(['0', '1', '8000', '65535'])('takes %s where the system may choose one', (text) => {
    expect(read(port, text)).toBe(Number(text));
  });

  it.each(['-1', '65536', '80.5', 'http', '', '0x50', ' 80', '8000 '])('refuses %j', (text) => {
    expect(read(port, text)).toBeUndefined();
  });

  it('refuses 0 where others have to know the port', () => {
    expect(read(nonZeroPort, '0')).toBeUndefined();
    expect(read(nonZeroPort, '1883')).toBe(1883);
  });

  it('refuses a port in quotes in the file', () => {
    expect(port.schema.safeParse('8000').success).toBe(false);
  });
});

describe('IP addresses', () => {
  it.each(['127.0.0.1', '0.0.0.0', '::', '::1', 'fe80::1', '2001:db8::ffff:192.0.2.1'])('takes %s', (text) => {
    expect(read(ipAddress, text)).toBe(text);
  });

  it.each(['localhost', '256.0.0.1', '127.0.0', '[::1]', '127.0.0.1:80', '', '127.0.0.1\n', '01.2.3.4'])(
    'refuses %j',
    (text) => {
      expect(read(ipAddress, text)).toBeUndefined();
    },
  );
});

describe('hosts to connect to', () => {
  it.each(['localhost', 'rpi4-dca632efb150', '192.168.1.6', '::1', 'a.b.example', 'under_score.local', 'dot.at.end.'])(
    'takes %s',
    (text) => {
      expect(read(host, text)).toBe(text);
    },
  );

  it.each([
    '',
    'http://x',
    'x:80',
    'x/y',
    'a b',
    '-x',
    'x-',
    'a..b',
    'x\0y',
    'user@x',
    '[::1]',
    `${longLabel}.x`,
    'a.'.repeat(130),
  ])('refuses %j', (text) => {
    expect(read(host, text)).toBeUndefined();
  });
});

describe('cloud hosts (ConnectUrl)', () => {
  it.each(['your-tenant.cumulocity.com', 'test.address.com', '10.0.0.1'])('takes %s', (text) => {
    expect(read(connectUrl, text)).toBe(text);
  });

  it.each([
    'https://test.address.com',
    'test.address.com:8883',
    'test.address.com/x',
    'http://test.address.com:8883',
    '',
  ])('refuses %j', (text) => {
    expect(read(connectUrl, text)).toBeUndefined();
  });
});

describe('addresses of HTTP services', () => {
  it.each([
    ['https://localhost:8443', 'https://localhost:8443'],
    ['http://gateway.local/', 'http://gateway.local'],
    ['https://[::1]:8443', 'https://[::1]:8443'],
  ])('reads %s as %s', (text, value) => {
    expect(read(httpUrl, text)).toBe(value);
  });

  it.each([
    'localhost:8443',
    'https://host/est',
    'https://host/?q',
    'https://a:b@host',
    'https://',
    'file:///etc',
    'https://h\nx',
  ])('refuses %j', (text) => {
    expect(read(httpUrl, text)).toBeUndefined();
  });
});

describe('Redis addresses', () => {
  it.each(['redis://redis.internal:6379/0', 'rediss://user@redis:6380', 'redis://[::1]'])('takes %s', (text) => {
    expect(read(redisUrl, text)).toBe(text);
  });

  it.each(['redis://:secret@host', 'redis://user:secret@host', 'http://host', 'redis', '', 'redis://'])(
    'refuses %j',
    (text) => {
      expect(read(redisUrl, text)).toBeUndefined();
    },
  );
});

describe('lists of hosts', () => {
  it('reads names and addresses between commas', () => {
    expect(read(hostList, 'gateway.local, 192.168.1.6 ,,::1')).toEqual(['gateway.local', '192.168.1.6', '::1']);
  });

  it('refuses the whole list for one bad host', () => {
    expect(read(hostList, 'gateway.local,http://x')).toBeUndefined();
  });

  it.each(['a,b', 5, [5], [['a']], { 0: 'a' }])('refuses %j in the file', (value) => {
    expect(hostList.schema.safeParse(value).success).toBe(false);
  });
});

describe('the back side of a broker', () => {
  it.each([
    ['unix:/run/mosquitto/sallyport.sock', 'unix:/run/mosquitto/sallyport.sock'],
    ['mqtt://127.0.0.1', 'mqtt://127.0.0.1'],
    ['mqtt://broker:1884/', 'mqtt://broker:1884'],
    ['mqtts://broker.example:8883', 'mqtts://broker.example:8883'],
    ['mqtts://[2001:db8::1]:8883', 'mqtts://[2001:db8::1]:8883'],
  ])('takes %s', (given, url) => {
    expect(read(brokerUrl, given)).toBe(url);
  });

  it.each([
    'unix:relative/path',
    'unix://host/path\n',
    `unix:/${'a'.repeat(107)}`,
    'mqtt://user:secret@broker',
    'mqtt://broker/path',
    'mqtt://broker?x=1',
    'mqtt://broker:0',
    'mqtt://',
    'broker:1883',
    'wss://broker',
    '',
  ])('refuses %j', (given) => {
    expect(read(brokerUrl, given)).toBeUndefined();
  });

  it('is a socket whose path the kernel can hold', () => {
    expect(read(socketPath, `/${'a'.repeat(106)}`)).toBe(`/${'a'.repeat(106)}`);
    expect(read(socketPath, `/${'a'.repeat(107)}`)).toBeUndefined();
  });
});
