import { writeFileSync } from 'node:fs';
import { Semaphore } from '@sallyport/concurrency';
import { TestCa } from '@sallyport/testkit';
import { CliDevice } from './cli-device.js';
import { CoapDevice } from './coap-device.js';
import { ConnectorDevice } from './connector-device.js';
import type { FleetDevice } from './device.js';
import { HttpDevice, MqttDevice } from './local-devices.js';
import type { DeviceSpec, FleetAnswer, FleetRequest, FleetSite } from './messages.js';

// The program that plays all devices. Its clock is theirs.
const atOnce = 8;
const site: FleetSite = JSON.parse(process.argv[2] ?? '{}');
const maker = await TestCa.create({ commonName: 'Fleet maker', notAfter: new Date(Date.now() + 3_650 * 86_400_000) });
writeFileSync(site.fleetCaPath, maker.certPem);
const devices = new Map<string, FleetDevice>();
const room = new Semaphore(atOnce);

function deviceFor(spec: DeviceSpec): FleetDevice {
  switch (spec.protocol) {
    case 'http':
      return new HttpDevice(spec, site);
    case 'mqtt':
      return new MqttDevice(spec, site);
    case 'coap':
      return new CoapDevice(spec, site);
    case 'cli':
      return new CliDevice(spec, site);
    case 'connector':
      return new ConnectorDevice(spec, site, maker);
  }
}

async function add(specs: readonly DeviceSpec[]): Promise<void> {
  await all(specs, async (spec) => {
    const device = deviceFor(spec);
    await device.begin();
    devices.set(spec.name, device);
  });
}

async function wake(name: string) {
  const device = devices.get(name);
  if (device === undefined) throw new Error(`There is no device ${name}.`);
  return device.wake();
}

function all<In, Out>(inputs: readonly In[], act: (input: In) => Promise<Out>): Promise<Out[]> {
  return Promise.all(
    inputs.map(async (input) => {
      await room.acquire();
      return act(input).finally(() => room.release());
    }),
  );
}

function say(answer: FleetAnswer): void {
  process.send?.(answer);
}

process.on('message', (request: FleetRequest) => {
  const work = request.kind === 'add' ? add(request.devices).then(() => []) : all(request.names, wake);
  void work.then((reports) => say({ kind: 'awake', id: request.id, reports }));
});
process.on('disconnect', () => process.exit());
say({ kind: 'ready' });
