import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lamp } from '../../gateway-site.fixture.js';
import { ResourceSite } from '../../resource-site.fixture.js';
import type { TestDevice } from '../../test-device.fixture.js';

const link = { href: '/light/1', rt: ['oic.r.switch.binary'], if: ['oic.if.a'], p: { bm: 3 } };
const other = '00000000-0000-4000-8000-000000000001';

describe('a device that publishes its resources at /oic/rd', () => {
  let site: ResourceSite;
  let device: TestDevice;

  beforeAll(async () => {
    site = await ResourceSite.open();
    device = await site.device({ resources: { '/light/1': { value: {} }, '/a/b': { value: {} } } });
  });
  afterAll(async () => {
    await device[Symbol.asyncDispose]();
    await site[Symbol.asyncDispose]();
  });

  it.each([
    ['no links', { di: lamp }, 'empty links'],
    ['links that are text', { di: lamp, links: 'abc' }, 'cbor'],
    ['a link that is text', { di: lamp, links: ['abc'] }, 'cbor'],
    ['no lifetime', { di: lamp, links: [{}] }, 'invalid TimeToLive'],
    ['a negative ttl', { di: lamp, links: [link], ttl: -1 }, 'invalid TimeToLive'],
    ['a negative lt', { di: lamp, links: [link], lt: -1 }, 'invalid TimeToLive'],
    ['an empty href', { di: lamp, links: [{ ...link, href: '' }], ttl: 1 }, 'invalid resource href'],
    ['an href of slashes', { di: lamp, links: [{ ...link, href: '///' }], ttl: 1 }, 'invalid resource href'],
    [
      'an href that leaves its place',
      { di: lamp, links: [{ ...link, href: '/a/../b' }], ttl: 1 },
      'invalid resource href',
    ],
    ['no device id', { links: [link], ttl: 1 }, 'invalid device id'],
    ['no map', [1], 'cbor'],
  ])('gets 4.00 with %s', async (_, body, text) => {
    expect(await device.post('/oic/rd', body)).toMatchObject({ code: '4.00', text: expect.stringContaining(text) });
  });

  it.each([
    [{ ttl: 12_345 }, 12_345],
    [{ ttl: 0 }, 0],
    [{ lt: 0 }, 0],
    [{ ttl: 7, lt: 9 }, 7],
  ])('gets 2.04 with %o, and its links back with their numbers', async (life, ttl) => {
    const answer = await device.post('/oic/rd', { di: lamp, links: [link], ...life });
    expect(answer).toMatchObject({ code: '2.04', body: { di: lamp, ttl, lt: ttl } });
    expect(answer.body).toMatchObject({ links: [{ href: '/light/1', ins: 3_810_745_338, di: lamp }] });
  });

  it('gets 4.03 for the links of another device, and none is kept', async () => {
    expect((await device.post('/oic/rd', { di: other, links: [link], ttl: 0 })).code).toBe('4.03');
    expect((await site.admin('GET', `${site.pathOf(other)}/resources`)).body).toEqual({
      sync: 'out-of-sync',
      resources: [],
    });
  });

  it('may send many publications at once', async () => {
    const hrefs = Array.from({ length: 16 }, (_, index) => `/many/${index}`);
    const publish = (href: string) => device.post('/oic/rd', { di: lamp, links: [{ ...link, href }], ttl: 0 });
    const answers = await Promise.all(hrefs.map(publish));
    expect(new Set(answers.map(({ code }) => code))).toEqual(new Set(['2.04']));
  });

  it('gets 4.06 for an answer in a format that nobody speaks', async () => {
    expect((await device.ask('GET', '/oic/rd', { accept: 40 })).code).toBe('4.06');
  });

  it('finds the directory at GET, and nothing at PUT', async () => {
    expect(await device.ask('GET', '/oic/rd')).toMatchObject({ code: '2.05', body: { sel: 0 } });
    expect((await device.ask('PUT', '/oic/rd')).code).toBe('4.04');
  });

  it('has its links listed as it wrote them last', async () => {
    await device.post('/oic/rd', { di: lamp, links: [{ ...link, href: 'a//b/' }], ttl: 0 });
    await device.post('/oic/rd', { di: lamp, links: [{ ...link, href: '/a/b', rt: ['oic.r.new'] }], ttl: 0 });
    const { body } = await site.admin('GET', `${site.pathOf()}/resources`);
    expect(body).toMatchObject({
      resources: expect.arrayContaining([expect.objectContaining({ href: '/a/b', rt: ['oic.r.new'], bm: 3 })]),
    });
  });
});

describe('a device that takes its links back', () => {
  let site: ResourceSite;
  let device: TestDevice;

  beforeAll(async () => {
    site = await ResourceSite.open();
    const value = {};
    device = await site.device({ resources: { '/a': { value }, '/b': { value }, '/c': { value }, '/d': { value } } });
    numbers = insOf((await device.publish()).body);
  });
  afterAll(async () => {
    await device[Symbol.asyncDispose]();
    await site[Symbol.asyncDispose]();
  });

  let numbers: readonly number[];
  const unpublish = (...query: string[]) => device.ask('DELETE', '/oic/rd', { query });
  const hrefs = async () => {
    const { body } = await site.admin('GET', `${site.pathOf()}/resources`);
    return JSON.stringify(body).match(/"href":"[^"]+"/g)?.length ?? 0;
  };

  it.each([
    ['of another device', [`di=${other}`]],
    ['without a device', ['ins=1']],
    ['with two devices', [`di=${lamp}`, `di=${lamp}`]],
    ['with a number that is none', [`di=${lamp}`, 'ins=abc']],
    ['with the number of no link', [`di=${lamp}`, 'ins=999']],
  ])('gets 4.00 %s', async (_, query) => {
    expect((await unpublish(...query)).code).toBe('4.00');
    expect(await hrefs()).toBe(4);
  });

  it('names them one by one or joined, and everything else in the query is ignored', async () => {
    const [a, b, c] = numbers;
    expect((await unpublish(`di=${lamp}`, `ins=${a}&ins=${b}`, 'invalid_query')).code).toBe('2.02');
    expect((await unpublish(`di=${lamp}&ins=${c}`)).code).toBe('2.02');
    expect(await hrefs()).toBe(1);
  });

  it('takes all back without numbers, and then there is nothing to take', async () => {
    expect((await unpublish(`di=${lamp}`)).code).toBe('2.02');
    expect(await unpublish(`di=${lamp}`)).toMatchObject({
      code: '4.00',
      text: expect.stringContaining('cannot find observed resources'),
    });
  });
});

function insOf(body: unknown): number[] {
  return [...JSON.stringify(body).matchAll(/"ins":(\d+)/g)].map(([, ins]) => Number(ins));
}
