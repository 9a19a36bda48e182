import { timelinePage } from '@sallyport/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { peer, RegistryUnderTest } from '../registry.fixture.js';

describe('the timeline of a device in the admin API', () => {
  let registry: RegistryUnderTest;

  beforeEach(async () => {
    registry = await RegistryUnderTest.start();
    await registry.admit(peer());
    await registry.change('child01', 'lock');
    await registry.change('child01', 'unlock');
  });
  afterEach(() => registry.stop());

  const page = (query = '') => registry.get(`/v1/devices/child01/timeline${query}`, timelinePage);

  it('shows what happened, newest first, and names the services that did not answer', async () => {
    const { events, missing } = await page();
    expect(events.map(({ type }) => type)).toEqual(['unlocked', 'locked', 'provisioned']);
    expect(missing).toEqual(['connector', 'coap-gateway']);
  });

  it('is read in pages', async () => {
    const first = await page('?limit=2');
    const rest = await page(`?limit=2&before=${first.before}`);
    const end = await page(`?limit=2&before=${rest.before}`);
    expect([first.events.length, rest.events.map(({ type }) => type), end.events, end.before]).toEqual([
      2,
      ['provisioned'],
      [],
      undefined,
    ]);
  });

  it('is not there for a name that no device has', async () => {
    expect(await registry.refusal('GET', '/v1/devices/nobody/timeline')).toContain('404 No device is called "nobody"');
  });

  it.each(['limit=0', 'limit=201', 'before=yesterday'])('is refused for %s', async (query) => {
    expect(await registry.refusal('GET', `/v1/devices/child01/timeline?${query}`)).toMatch(/^400 /);
  });
});
