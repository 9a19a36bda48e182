// npx nx serve fake-cloud: a tenant on this machine, to try "connect c8y" without one. It is never shipped.
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fakeCloud } from '@sallyport/testkit/fake-cloud';

// Fixed, so that a restart needs no new settings.
const ports = { api: 10443, mqtt: 10883 };
const deviceId = 'gateway01';
const folder = join(process.cwd(), 'tools', 'fake-cloud', 'dist');
const caPath = join(folder, 'server-ca.pem');

const cloud = await fakeCloud({ ports, onSeen: (line) => console.log(line) });
cloud.enrolment.commonPassword = 'once-in-a-fake-cloud';
await mkdir(folder, { recursive: true });
await copyFile(cloud.caPath, caPath);
const { name, password } = cloud.user;

console.log(`
A fake Cumulocity tenant runs: REST at ${cloud.api.url}, MQTT at mqtts://localhost:${ports.mqtt}.
It forgets everything when it ends. "npm start" runs the gateway. In another terminal of this folder:

  npx sallyport config set c8y.url localhost
  npx sallyport config set c8y.http localhost:${ports.api}
  npx sallyport config set c8y.mqtt localhost:${ports.mqtt}
  npx sallyport config set c8y.root_cert_path ${caPath.includes(' ') ? `"${caPath}"` : caPath}

A certificate that the device makes, and that the tenant is told to trust:

  npx sallyport cert create --device-id ${deviceId}
  C8Y_PASSWORD=${password} npx sallyport cert upload c8y --user ${name}

Or one that the tenant issues:

  npx sallyport cert download c8y --device-id ${deviceId} --one-time-password ${cloud.enrolment.commonPassword}

Then:

  npx sallyport connect c8y
  curl http://localhost:8001/c8y/inventory/managedObjects

What the tenant sees is printed here. Ctrl-C ends it.
`);

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void cloud[Symbol.asyncDispose]().then(() => process.exit(0)));
