import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { forgeCa, forgeDevice } from './fixtures/forge.js';
import { get, identity, mutual, Site } from './fixtures/site.js';

const site = new Site(onTestFinished);

describe('a listener with several addresses', () => {
  it('admits peers at each of them, and nobody elsewhere', async () => {
    const ca = forgeCa('fleet');
    const { port } = await site.openListener(mutual([ca]), { moreHosts: ['127.0.0.2'] });
    const device = identity(forgeDevice('dev-1', ca));
    for (const host of ['127.0.0.1', '127.0.0.2'])
      expect((await get(`https://${host}:${port}/`, device)).status).toBe(200);
    await expect(get(`https://127.0.0.3:${port}/`, device)).rejects.toThrow('ECONNREFUSED');
  });

  it('closes all of them', async () => {
    const { listener, port } = await site.openListener(mutual([forgeCa('fleet')]), { moreHosts: ['127.0.0.2'] });
    await listener.close();
    await expect(get(`https://127.0.0.2:${port}/`)).rejects.toThrow('ECONNREFUSED');
  });

  it('opens none when one of them is taken', async () => {
    const other = createServer().listen(0, '127.0.0.2');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;

    await expect(site.openListener(mutual([forgeCa('fleet')]), { port, moreHosts: ['127.0.0.2'] })).rejects.toThrow(
      `cannot use 127.0.0.2 port ${port}`,
    );

    const [refused] = await once(connect(port, '127.0.0.1'), 'error');
    expect(refused).toMatchObject({ code: 'ECONNREFUSED' });
  });
});
