import type { TestCa } from '@sallyport/testkit';
import { makeDevices } from '../process/devices.js';
import type { Credentials } from './contestants.js';

/** What a listener with mutual TLS needs, and the certificates of so many devices: `child0`, `child1` ... */
export async function credentialsFor(ca: TestCa, clients: number): Promise<Credentials> {
  const server = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
  const devices = makeDevices(ca, clients);
  const clientOf = (index: number) => devices[index % devices.length] ?? {};
  return { server: { certPath: server.certPath, keyPath: server.keyPath, caPath: ca.certPath }, clientOf };
}
