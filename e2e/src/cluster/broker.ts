import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Daemon, startDaemon } from '@sallyport/testkit';

const folder = fileURLToPath(new URL('../../../deploy/mosquitto/', import.meta.url));

/** The directories and the port of the broker of a test. */
export interface BrokerPlace {
  /** Takes the place of `/etc/mosquitto/sallyport`: certificate, key and CA of the broker. */
  readonly identity: string;
  /** Takes the place of `/var/lib/mosquitto`. */
  readonly state: string;
  readonly port: number;
}

/** Starts Mosquitto with the configuration of `deploy/mosquitto`, changed to the directories of the test. */
export async function startBroker({ identity, state, port }: BrokerPlace): Promise<Daemon> {
  mkdirSync(state, { recursive: true });
  const config = readFileSync(join(folder, 'mosquitto.conf'), 'utf8')
    .replaceAll('/etc/mosquitto/sallyport.acl', join(folder, 'sallyport.acl'))
    .replaceAll('/etc/mosquitto/sallyport', identity)
    .replaceAll('/var/lib/mosquitto', state)
    .replace(/^listener 8883$/m, `listener ${port} 127.0.0.1`)
    // When root starts Mosquitto, it changes to a user that cannot read the files of the test.
    .replace(/^user mosquitto$/m, 'user root');
  const configPath = join(state, 'mosquitto.conf');
  writeFileSync(configPath, config);
  return startDaemon({ program: 'mosquitto', port, args: () => ['-c', configPath] });
}
