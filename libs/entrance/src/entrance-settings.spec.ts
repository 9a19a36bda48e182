import { writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { loadSettings } from '@sallyport/config';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { entranceAddress } from './entrance-settings.js';

/** Where the two MQTT entrances are with these settings below `mqtt`. */
async function addresses(lines: readonly string[]) {
  await using directory = temporaryDirectory();
  await writeFile(directory.file('tedge.toml'), ['[mqtt]', ...lines, ''].join('\n'));
  const { settings } = await loadSettings({ configDir: directory.path, env: {}, cwd: directory.path });
  return {
    own: entranceAddress(settings, { group: 'mqtt' }),
    external: entranceAddress(settings, { group: 'mqtt.external' }),
  };
}

const loopback = () => networkInterfaces()['lo']?.map(({ address }) => address) ?? [];

describe('the two MQTT entrances', () => {
  it('are one until the port of the second is set', async () => {
    expect(await addresses([])).toEqual({ own: { host: '127.0.0.1', port: 1883 }, external: undefined });
  });

  it('have an address and a port each', async () => {
    expect(await addresses(['bind.port = 1884', 'external.bind.port = 8883', 'external.bind.address = "::1"'])).toEqual(
      {
        own: { host: '127.0.0.1', port: 1884 },
        external: { host: '::1', port: 8883 },
      },
    );
  });

  it('are every IPv4 address for the second one, when only its port is set', async () => {
    expect((await addresses(['external.bind.port = 8883'])).external).toEqual({ host: '0.0.0.0', port: 8883 });
  });

  it('are only the second one with mqtt.bind.enabled = false', async () => {
    expect(await addresses(['bind.enabled = false', 'external.bind.port = 8883'])).toEqual({
      own: undefined,
      external: { host: '0.0.0.0', port: 8883 },
    });
  });
});

describe('mqtt.external.bind.interface', () => {
  const bound = async (...lines: string[]) => (await addresses(['external.bind.port = 8883', ...lines])).external;

  it.each([[[]], [['external.bind.address = "0.0.0.0"']], [['external.bind.address = "::"']]])(
    'is all addresses of the interface with %j',
    async (lines) => {
      const [host, ...moreHosts] = loopback();
      expect(await bound('external.bind.interface = "lo"', ...lines)).toEqual({ host, moreHosts, port: 8883 });
    },
  );

  it('is the one address that is set, when the interface has it', async () => {
    const place = await bound('external.bind.interface = "lo"', 'external.bind.address = "127.0.0.1"');
    expect(place).toEqual({ host: '127.0.0.1', port: 8883 });
  });

  it('names an interface that has no address here, its setting, and those that have', async () => {
    const interfaces = Object.keys(networkInterfaces()).join(', ');
    await expect(bound('external.bind.interface = "wlan7"')).rejects.toThrow(
      `mqtt.external.bind.interface: no network interface "wlan7" has an address here; these have: ${interfaces}.`,
    );
  });

  it('refuses an address of another interface', async () => {
    await expect(bound('external.bind.interface = "lo"', 'external.bind.address = "192.0.2.1"')).rejects.toThrow(
      'mqtt.external.bind.interface: 192.0.2.1 is no address of the network interface "lo", which has 127.0.0.1',
    );
  });
});
