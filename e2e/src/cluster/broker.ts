import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Daemon, type ProgramResult, runProgram, startDaemon } from '@sallyport/testkit';

const folder = fileURLToPath(new URL('../../../deploy/mosquitto/', import.meta.url));

/** The directories and the port of the broker of a test. */
export interface BrokerPlace {
  /** Takes the place of `/etc/mosquitto/sallyport`: certificate, key and CA of the broker. */
  readonly identity: string;
  /** Takes the place of `/etc/mosquitto/sallyport-crl`: revocation lists, as the signer writes them. */
  readonly crls: string;
  /** Takes the place of `/var/lib/mosquitto`. */
  readonly state: string;
  readonly port: number;
}

/** Starts Mosquitto with the configuration of `deploy/mosquitto`, changed to the directories of the test. */
export async function startBroker({ identity, crls, state, port }: BrokerPlace): Promise<Daemon> {
  mkdirSync(state, { recursive: true });
  copyFileSync(join(folder, 'dynamic-security.json'), join(identity, 'dynamic-security.json'));
  const config = readFileSync(join(folder, 'mosquitto.conf'), 'utf8')
    .replaceAll('/etc/mosquitto/sallyport.acl', join(folder, 'sallyport.acl'))
    .replaceAll('/etc/mosquitto/sallyport-crl', crls)
    .replaceAll('/etc/mosquitto/sallyport', identity)
    .replaceAll('/var/lib/mosquitto', state)
    .replace(/^listener 8883$/m, `listener ${port} 127.0.0.1`)
    .replace('/usr/lib/x86_64-linux-gnu', `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`)
    // When root starts Mosquitto, it changes to a user that cannot read the files of the test.
    .replace(/^user mosquitto$/m, 'user root');
  const configPath = join(state, 'mosquitto.conf');
  writeFileSync(configPath, config);
  return startDaemon({ program: 'mosquitto', port, args: () => ['-c', configPath] });
}

/** Runs `end-revoked-sessions` of `deploy/mosquitto`, which systemd starts when the signer has written the lists. */
export function endRevokedSessions(
  { identity, crls, state, port }: BrokerPlace,
  broker: Daemon,
): Promise<ProgramResult> {
  const env = {
    ...process.env,
    CRL: join(crls, 'crl.pem'),
    IDENTITY: join(identity, 'device-certs'),
    DONE: join(state, 'sallyport-revoked'),
    PORT: String(port),
    RELOAD: `kill -HUP ${broker.pid}`,
  };
  return runProgram(join(folder, 'end-revoked-sessions'), [], { env });
}
