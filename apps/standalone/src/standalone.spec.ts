import { once } from 'node:events';
import { createServer } from 'node:net';
import { openLog } from '@sallyport/runtime';
import { freePorts, temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { startStandalone } from './standalone.js';

async function hold(port: number): Promise<AsyncDisposable> {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) };
}

describe('the start of the whole system', () => {
  it('names every port that others hold, not only the first', async () => {
    await using directory = temporaryDirectory('sp-');
    const [http = 0, mqtt = 0, pki = 0, crl = 0] = await freePorts(4);
    await using _agent = await hold(http);
    await using _broker = await hold(mqtt);
    const env = {
      TEDGE_HTTP_BIND_PORT: String(http),
      TEDGE_MQTT_BIND_PORT: String(mqtt),
      TEDGE_PKI_BIND_PORT: String(pki),
      TEDGE_PKI_PUBLIC_BIND_PORT: String(crl),
    };
    const options = { configDir: directory.path, argv: [] };
    const start = startStandalone({ env, cwd: directory.path, options, log: openLog({ level: 'silent' }) });
    await expect(start).rejects.toMatchObject({
      type: 'config-invalid',
      ports: [
        { name: 'MQTT', portKey: 'mqtt.bind.port', port: mqtt },
        { name: 'file transfer', portKey: 'http.bind.port', port: http },
      ],
    });
  });
});
