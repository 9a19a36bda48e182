import type { TestCa } from '@sallyport/testkit';
import { LoadConnection } from '../file-transfer/load-connection.js';
import { cpuMillisecondsOf } from '../process/cpu-time.js';
import { makeDevices } from '../process/devices.js';
import type { ConnectorSite } from './connector-site.js';
import { write } from './load.js';

const [warmUp, measured, atOnce] = [100, 400, 16];

type Device = ReturnType<typeof makeDevices>[number];

/**
 * Devices that nobody knows: each connects for the first time, is registered, and has its first value acknowledged. Its
 * event `provisioned` has been published by then.
 */
export async function reportFirstContacts(site: ConnectorSite, fleet: TestCa): Promise<void> {
  const devices = makeDevices(fleet, warmUp + measured, { prefix: 'new-', hasIdentityUri: false });
  const pids = [site.contestant.pid, site.registry.pid, site.brokerPid];
  await contactAll(site, devices.slice(0, warmUp));
  const [startedAt, before] = [performance.now(), pids.map(cpuMillisecondsOf)];
  await contactAll(site, devices.slice(warmUp));
  const seconds = (performance.now() - startedAt) / 1000;
  const costs = pids.map((pid, index) => (cpuMillisecondsOf(pid) - (before[index] ?? 0)) / measured);
  const [connector, registry, broker] = costs.map((cost) => `${cost.toFixed(2)} ms`);
  console.log(`first contacts: ${(measured / seconds).toFixed(0)}/s, ${atOnce} at once; CPU for each:`);
  console.log(`  connector ${connector}, device-registry ${registry}, Mosquitto ${broker}`);
}

async function contactAll({ contestant }: ConnectorSite, devices: readonly Device[]): Promise<void> {
  const { port, caPem } = contestant;
  const waiting = devices.values();
  const next = async (): Promise<void> => {
    for (const { cert, key } of waiting) {
      const connection = await LoadConnection.open({ port, caPem, certPem: String(cert), keyPem: String(key) });
      await connection.exchange(write);
      connection.close();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, next));
}
