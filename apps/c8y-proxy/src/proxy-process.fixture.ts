// The proxy in a process of its own, for benchmarks. The first IPC message says where the tenant is, and it answers with
// its port.
import { fakeCloud } from '@sallyport/testkit/fake-cloud';
import { z } from 'zod';
import { ProxySite } from './proxy-site.fixture.js';

const processOptions = z.strictObject({ upstreamPort: z.number(), caPath: z.string() });

// As long as those of a tenant.
const token = [{ alg: 'RS256' }, { sub: 'd'.repeat(240), exp: 4_000_000_000 }, 'signature']
  .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
  .join('.');

async function serve(message: unknown): Promise<number> {
  const { upstreamPort, caPath } = processOptions.parse(message);
  // Only its device CA and its broker are used.
  const cloud = await fakeCloud();
  const tenant = [`c8y.http = "localhost:${upstreamPort}"`, `c8y.root_cert_path = "${caPath}"`];
  const site = await ProxySite.open(cloud, tenant);
  site.answerToken = () => `71,${token}`;
  process.once('disconnect', () => {
    Promise.allSettled([site[Symbol.asyncDispose](), cloud[Symbol.asyncDispose]()]).then(() => process.exit(0));
  });
  await site.start();
  return site.port;
}

process.once('message', (message) => {
  serve(message).then(
    (port) => process.send?.({ port }),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
