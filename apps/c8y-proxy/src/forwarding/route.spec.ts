import { describe, expect, it } from 'vitest';
import { routeOf } from './route.js';

describe('the way of a request', () => {
  it.each([
    ['/c8y', '/'],
    ['/c8y/', '/'],
    ['/c8y?a=1', '/?a=1'],
    ['/c8y/inventory/managedObjects', '/inventory/managedObjects'],
    [
      '/c8y/inventory/managedObjects/?q=%24a+eq+%27x%2Fy%27&x=a/../b',
      '/inventory/managedObjects/?q=%24a+eq+%27x%2Fy%27&x=a/../b',
    ],
    ['/c8y/identity/externalIds/c8y_Serial/a%2Fb%20c%C3%A9', '/identity/externalIds/c8y_Serial/a%2Fb%20c%C3%A9'],
    ['/c8y/a%2525', '/a%2525'],
    ['/c8y/a//b/./c/../d', '/a//b/./c/../d'],
    ['/c8y/%e9', '/%e9'],
    ['/c8y/%C3%89t%C3%A9%E2%82%AC', '/%C3%89t%C3%A9%E2%82%AC'],
    ['/c8y/x%zz', '/x%zz'],
    ['/c8y/serial%23and%3Fx', '/serial%23and%3Fx'],
    ['/c8y/.well-known/est/simplereenroll', '/.well-known/est/simplereenroll'],
  ])('from %s goes to %s, byte for byte', (target, upstream) => {
    expect(routeOf(target)).toMatchObject({ kind: 'tenant', target: upstream });
  });

  it.each(['/', '/c8', '/c8yy', '/C8Y/a', '/%638y/a', '/tedge/file-transfer/a', '/x/c8y/a', '*', '/c8y2/a'])(
    'does not begin at %s',
    (target) => {
      expect(routeOf(target).kind).toBe('unknown');
    },
  );

  it.each([
    '/c8y/apps/devicemanagement/',
    '/c8y/apps',
    '/c8y/main.js',
    '/c8y/a/b.js?x=1',
    '/c8y/%61pps/x',
    '/c8y/%2561pps/x',
    '/c8y/%252561pps/x',
    '/c8y//apps/x',
    '/c8y/./apps/x',
    '/c8y/x/../apps/x',
    '/c8y/x/%2e%2e/apps/x',
    '/c8y/x%2f..%2fapps%2fx',
    '/c8y/x/..%5capps/x',
    '/c8y/;a=b/apps/x',
    '/c8y/apps;a=b/x',
    '/c8y/x/..;a/apps/x',
    '/c8y/x/..%3ba/apps/x',
    '/c8y/%2fapps/x',
    '/c8y/main%2ejs',
    '/c8y/main.j%73',
    '/c8y/main.js/',
    '/c8y/main.js/.',
    '/c8y/main.js%20',
    '/c8y/main.js;a=b',
    '/c8y/main.js/x/..',
    '/c8y/main.js%3fx',
    '/c8y/main.js%23x',
    '/c8y/main.js#x',
    '/c8y/apps%3f/x',
  ])('to %s would be one to the user interface, in whatever way it is spelled', (target) => {
    expect(routeOf(target).kind).toBe('user-interface');
  });

  it.each([
    '/c8y/main.json',
    '/c8y/x.js/y',
    '/c8y/apps2/x',
    '/c8y/x/apps/y',
    '/c8y/a?file=main.js',
    '/c8y/APPS/x',
    '/c8y/a.JS',
  ])('to %s is one to the tenant', (target) => {
    expect(routeOf(target).kind).toBe('tenant');
  });

  it.each([
    '/c8y/%c0%ae%c0%ae/apps/',
    '/c8y/%e0%80%af',
    '/c8y/main.js%00',
    '/c8y/main.js%0a',
    '/c8y/a%7f',
    '/c8y/%25252561pps/x',
  ])('to %s is unclear', (target) => {
    expect(routeOf(target).kind).toBe('unclear');
  });
});
