import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { webhookList } from '@sallyport/protocol';
import { expect, it } from 'vitest';
import { RegistryUnderTest } from './registry.fixture.js';

it('lets webhooks send where the settings allow it now, without a restart', async () => {
  const registry = await RegistryUnderTest.start();
  try {
    const url = 'https://hooks.example/sallyport';
    const settings = join(registry.configDirectory, 'sallyport.toml');
    expect(await registry.refusal('POST', '/v1/webhooks/erp', { url })).toContain(
      'sallyport config add registry.webhook.origins https://hooks.example',
    );

    await writeFile(settings, '[registry.webhook]\norigins = ["https://hooks.example"]\n');
    registry.clock.advance(1);
    await registry.order('POST', '/v1/webhooks/erp', { url });
    expect((await registry.get('/v1/webhooks', webhookList)).webhooks.map(({ name }) => name)).toEqual(['erp']);

    await rm(settings);
    registry.clock.advance(1);
    expect(await registry.refusal('POST', '/v1/webhooks/erp', { url })).toContain('registry.webhook.origins');
  } finally {
    await registry.stop();
  }
});
