import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { isOwnHost, mayPageAsk } from './page-host.js';

const may = (origin: string, host: string | undefined, isTls = false, allowedHosts: readonly string[] = []) =>
  mayPageAsk({ origin, host, isTls, allowedHosts });

describe('a page', () => {
  it.each([
    ['http://localhost:3000', 'localhost:8001'],
    ['http://192.168.1.6', '192.168.1.6:8001'],
    ['http://[::1]:3000', '[::1]:8001'],
    [`http://${hostname()}`, `${hostname()}:8001`],
  ])('of this machine (%s) may ask %s', (origin, host) => {
    expect(may(origin, host)).toBe(true);
  });

  it.each([
    ['https://evil.example', 'localhost:8001'],
    ['null', 'localhost:8001'],
    ['', 'localhost:8001'],
    ['http://localhost', undefined],
    ['http://evil.example:8001', 'evil.example:8001'],
    ['http://127.0.0.1', 'localhost:8001'],
  ])('of another place (%s) may not ask %s', (origin, host) => {
    expect(may(origin, host)).toBe(false);
  });

  it('may ask a host that has proved its name with TLS, and one that allows it', () => {
    expect(may('https://gateway.example:3000', 'gateway.example:8001', true)).toBe(true);
    expect(may('https://evil.example', 'gateway.example:8001', true)).toBe(false);
    expect(may('https://Dashboard.example', 'localhost:8001', false, ['dashboard.example'])).toBe(true);
  });
});

describe('a server', () => {
  const isOwn = (host: string | undefined) => isOwnHost(host, (name) => name === 'gateway.example');

  it.each(['localhost:8001', 'a.localhost', '192.168.1.6:8001', '[::1]:8001', hostname(), 'GATEWAY.example:8001'])(
    'is called %s',
    (host) => {
      expect(isOwn(host)).toBe(true);
    },
  );

  it.each([undefined, '', 'evil.example:8001', '127.0.0.1.evil.example', 'gateway.example@evil.example', 'a b'])(
    'is not called %s',
    (host) => {
      expect(isOwn(host)).toBe(false);
    },
  );
});
