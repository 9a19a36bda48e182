import { publishEvent } from '@sallyport/mqtt';
import { deviceOwnerChanged, ocfDeviceId, ocfUuid, pendingCommands, resourceList } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lamp } from '../gateway-site.fixture.js';
import { ResourceSite } from '../resource-site.fixture.js';

const name = ocfDeviceId(ocfUuid.parse(lamp));

let opened: AsyncDisposableStack;
beforeEach(() => {
  opened = new AsyncDisposableStack();
});
afterEach(() => opened.disposeAsync());

/** A device of owner 1 that has told a value, is away again, and has a command waiting for it. */
async function openSite() {
  const site = opened.use(await ResourceSite.open());
  const list = async () => resourceList.parse((await site.admin('GET', `${site.pathOf()}/resources`)).body).resources;
  const pending = async () =>
    pendingCommands.parse((await site.admin('GET', `${site.pathOf()}/pending-commands`)).body).commands;
  const device = await site.device({ resources: { '/light/1': { value: { state: false } } } });
  await device.publish();
  await waitFor(async () => (await list())[0]?.content !== undefined, { what: 'the value' });
  await device[Symbol.asyncDispose]();
  await waitFor(() => site.events.some(({ type }) => type === 'disconnect'), { what: 'the device offline' });
  void site.admin('PUT', `${site.pathOf()}/resources/light/1?ttl=0`, { body: { state: true } });
  await waitFor(async () => (await pending()).length === 1, { what: 'the command' });
  return { site, list, pending };
}

describe('a device with another owner than before', () => {
  it('has nothing of its former owner, whatever the gateway has heard', async () => {
    const { site, list, pending } = await openSite();
    const device = opened.use(
      await site.device({ owner: '2', resources: { '/light/1': { value: { state: false } } } }),
    );
    await device.publish(['/light/1']);
    await waitFor(async () => device.isObserved('/light/1'), { what: 'the observation' });
    expect(device.asked.filter((asked) => asked.startsWith('POST'))).toEqual([]);
    expect(await pending()).toEqual([]);
    expect((await list()).map(({ href }) => href)).toEqual(['/light/1']);
  });

  it('loses its links, values and commands as soon as the registry says so', async () => {
    const { site, list, pending } = await openSite();
    site.registry.owners.set(name, '2');
    await publishEvent(site.mqtt, deviceOwnerChanged, { deviceId: name, owner: '2' });
    await waitFor(async () => (await list()).length === 0, { what: 'the end of the links' });
    await waitFor(async () => (await pending()).length === 0, { what: 'the end of the commands' });
  });

  it('keeps everything while the announcement is one from before', async () => {
    const { site, list, pending } = await openSite();
    await publishEvent(site.mqtt, deviceOwnerChanged, { deviceId: name });
    const device = opened.use(await site.device({ resources: { '/light/1': { value: { state: false } } } }));
    await waitFor(async () => (await pending()).length === 0, { what: 'the command at the device' });
    expect(device.asked).toContain('POST /light/1');
    expect((await list()).length).toBe(1);
  });
});

describe('a device that is signed off on a connection of its own', () => {
  it('has no links, values and commands any more', async () => {
    const { site, list, pending } = await openSite();
    const device = opened.use(await site.device());
    await device.post('/oic/sec/session', { login: false });
    const query = [`di=${lamp}`, 'uid=1', `accesstoken=${site.provider.issue('another token', { owner: '1' })}`];
    expect((await device.ask('DELETE', '/oic/sec/account', { query })).code).toBe('2.02');
    await publishEvent(site.mqtt, deviceOwnerChanged, { deviceId: name });
    await waitFor(async () => (await list()).length === 0, { what: 'the end of the links' });
    expect(await pending()).toEqual([]);
  });
});
