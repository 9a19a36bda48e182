import { createServer } from 'node:tls';
import { freePort, TestCa } from '@sallyport/testkit';
import { expect, it } from 'vitest';
import { shakeHands } from './handshake.js';

it('says that the certificate of a listener cannot be read, where OpenSSL reads it', async () => {
  await using ca = await TestCa.create();
  const { certPem: cert, keyPem: key } = await ca.issue({ extensions: [`nsComment=${'x'.repeat(70_000)}`] });
  const [port, listener] = [await freePort(), createServer({ cert, key })];
  await new Promise<void>((resolve) => listener.listen(port, '127.0.0.1', resolve));
  try {
    const { signal } = new AbortController();
    const seen = await shakeHands({ host: '127.0.0.1', port, protocol: 'http', anchors: [ca.certPem], signal });
    expect(seen).toEqual({ isDone: false, code: 'ERR_CERTIFICATE', fault: 'its certificate cannot be read' });
  } finally {
    listener.close();
  }
});
