import { resourceList } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lamp } from '../../gateway-site.fixture.js';
import { ResourceSite } from '../../resource-site.fixture.js';

let opened: AsyncDisposableStack;
beforeEach(() => {
  opened = new AsyncDisposableStack();
});
afterEach(() => opened.disposeAsync());

async function openDevice() {
  const site = opened.use(await ResourceSite.open());
  const lights = opened.use(await site.device({ isBatch: true }));
  const contentOf = async (href: string) => {
    const { resources } = resourceList.parse((await site.admin('GET', `${site.pathOf()}/resources`)).body);
    return resources.find((each) => each.href === href)?.content;
  };
  /** The device has these and no others, and publishes them; resolves when the last value is kept. */
  const publishOnly = async (hrefs: readonly string[], ttl = 0): Promise<void> => {
    lights.resources.clear();
    for (const href of hrefs) lights.resources.set(href, { value: { n: href } });
    await lights.publish([...hrefs], ttl);
    const last = hrefs.at(-1) ?? '';
    await waitFor(async () => (await contentOf(last)) !== undefined, { what: `the value of ${last}` });
  };
  return { lights, contentOf, publishOnly };
}

function hrefsOf(round: number): string[] {
  return Array.from({ length: 240 }, (_, index) => `/round/${round}/${index}`);
}

describe('values of resources that a device does not publish any more', () => {
  it('make room, so that a device may have ever new resources', { timeout: 30_000 }, async () => {
    const { lights, contentOf, publishOnly } = await openDevice();
    for (let round = 0; round < 6; round += 1) {
      await publishOnly(hrefsOf(round));
      await lights.ask('DELETE', '/oic/rd', { query: [`di=${lamp}`] });
    }
    await publishOnly(['/last']);
    expect(await contentOf('/last')).toEqual({ n: '/last' });
  });

  it('make room also when their time is over', { timeout: 30_000 }, async () => {
    const { contentOf, publishOnly } = await openDevice();
    for (let round = 0; round < 6; round += 1) {
      await publishOnly(hrefsOf(round), 2);
      await waitFor(async () => (await contentOf(`/round/${round}/0`)) === undefined, { what: 'the end of the links' });
    }
    await publishOnly(['/last']);
    expect(await contentOf('/last')).toEqual({ n: '/last' });
  });

  it('are not there when the resource is published again and tells nothing', async () => {
    const { lights, contentOf, publishOnly } = await openDevice();
    await publishOnly(['/a', '/b']);
    await lights.ask('DELETE', '/oic/rd', { query: [`di=${lamp}`] });
    await publishOnly(['/b']);
    await lights.publish(['/a']);
    expect(await contentOf('/a')).toBeUndefined();
    expect(await contentOf('/b')).toEqual({ n: '/b' });
  });
});
