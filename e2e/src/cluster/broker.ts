import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Daemon, startDaemon } from '@sallyport/testkit';

const folder = fileURLToPath(new URL('../../../deploy/mosquitto/', import.meta.url));

/** Where the broker of a test is. */
export interface BrokerPlace {
  /** For `/etc/mosquitto/sallyport`: its certificate, key and CA. */
  readonly identity: string;
  /** For `/var/lib/mosquitto`. */
  readonly state: string;
  readonly port: number;
}

/** Starts Mosquitto with the configuration of `deploy/mosquitto`, moved to the places of the test. */
export async function startBroker({ identity, state, port }: BrokerPlace): Promise<Daemon> {
  mkdirSync(state, { recursive: true });
  const config = readFileSync(join(folder, 'mosquitto.conf'), 'utf8')
    .replaceAll('/etc/mosquitto/sallyport.acl', join(folder, 'sallyport.acl'))
    .replaceAll('/etc/mosquitto/sallyport', identity)
    .replaceAll('/var/lib/mosquitto', state)
    .replace(/^listener 8883$/m, `listener ${port} 127.0.0.1`)
    // Run by root it would become a user who cannot read the test's files.
    .replace(/^user mosquitto$/m, 'user root');
  const configPath = join(state, 'mosquitto.conf');
  writeFileSync(configPath, config);
  return startDaemon({ program: 'mosquitto', port, args: () => ['-c', configPath] });
}
