import { OcfDevice, type OcfDeviceOptions, waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { CoapPeer } from './coap-peer.js';
import { CoapSite } from './coap-site.js';
import { succeeded } from './system.js';

const lampId = 'b5a2a42e-b285-42f1-a36b-034c8fc8efd5';
const off = { state: false, power: 0 };
const on = { state: true, power: 100 };
const resourceList = z.object({ resources: z.array(z.object({ href: z.string(), content: z.unknown().optional() })) });

describe('the resources of a device made with libcoap', () => {
  let site: CoapSite;
  let lamp: CoapPeer;

  beforeAll(async () => {
    site = await CoapSite.start();
    lamp = await site.device(lampId);
  });

  afterAll(() => site?.[Symbol.asyncDispose]());

  async function signedIn(options: Partial<OcfDeviceOptions> = {}): Promise<OcfDevice> {
    const { accesstoken, uid } = await site.signUp(lamp);
    const file = await lamp.bodyFile('sign-in.cbor', { di: lamp.id, uid, accesstoken, login: true });
    const device = await lamp.connect(options);
    expect(await device.ask(`POST /oic/sec/session ${file}`)).toMatch(/^2\.04 /);
    return device;
  }

  async function publish(device: OcfDevice): Promise<void> {
    const links = ['/light/1', '/oic/d'].map((href) => ({ href, rt: ['oic.r.test'], p: { bm: 3 } }));
    const file = await lamp.bodyFile('publish.cbor', { di: lamp.id, links, ttl: 0 });
    expect(await device.ask(`POST /oic/rd?rt=oic.wk.rdpub ${file}`)).toMatch(/^2\.04 /);
  }

  const coap = async (...words: string[]): Promise<unknown> =>
    JSON.parse(succeeded(await site.system.sallyport('coap', ...words)));
  const get = (...words: string[]) => coap('get', lampId, '/light/1', ...words);

  async function kept(href = '/light/1'): Promise<unknown> {
    const { resources } = resourceList.parse(await coap('resources', lampId, '--json'));
    return resources.find((resource) => resource.href === href)?.content;
  }

  it.each([
    ['one by one', {}, '<- GET /light/1'],
    ['as a batch', { isBatch: true }, '<- GET /oic/res?if=oic.if.b'],
  ])('are observed %s, also when the light is switched by hand', async (_, options, asked) => {
    await using device = await signedIn(options);
    await publish(device);
    await device.said(asked);
    await waitFor(async () => JSON.stringify(await kept()) === JSON.stringify(off), { what: 'the first value' });
    device.switchLight('on');
    await waitFor(async () => JSON.stringify(await kept()) === JSON.stringify(on), { what: 'the change' });
    expect(await kept('/oic/d')).toEqual({ di: lampId, n: 'lamp' });
  });

  it('are read and updated over its own connection, and the last value stays when it is away', async () => {
    const device = await signedIn();
    await publish(device);
    expect(await get()).toEqual(off);
    expect(await coap('set', lampId, '/light/1', '{"state":true}')).toEqual(on);
    await waitFor(async () => JSON.stringify(await kept()) === JSON.stringify(on), { what: 'the change' });
    await device[Symbol.asyncDispose]();
    expect(await get('--twin')).toEqual(on);
  });

  it('get an update that was made while the device was away', async () => {
    const update = coap('set', lampId, '/light/1', '{"state":true}', '--ttl', '60');
    await waitFor(async () => JSON.stringify(await coap('commands', lampId, '--json')).includes('waiting'));
    await using device = await signedIn();
    expect(await update).toEqual(on);
    expect(device.lines).toContain('<- POST /light/1');
  });

  it.each([
    ['garbage', /body that cannot be read/],
    ['huge', /may have got the command or not/],
    ['missing', /answered 4\.04/],
  ] as const)('do not harm anybody when the device sends %s', async (misbehaviour, refusal) => {
    await using device = await signedIn({ misbehaviour });
    await publish(device);
    expect((await site.system.sallyport('coap', 'get', lampId, '/light/1')).stderr).toMatch(refusal);
    expect(await device.ask('GET /x.plgd.dev/time')).toMatch(/^2\.05 /);
  });
});
