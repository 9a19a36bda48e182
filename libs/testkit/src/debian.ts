import { hasCode } from '@sallyport/files';

/** Which Debian package brings a program the tests run against. */
export const debianPackages: Readonly<Record<string, string>> = {
  certtool: 'gnutls-bin',
  'coap-client-gnutls': 'libcoap3-bin',
  'coap-client-openssl': 'libcoap3-bin',
  'coap-server-openssl': 'libcoap3-bin',
  curl: 'curl',
  gcc: 'gcc libcoap3-dev',
  'gnutls-cli': 'gnutls-bin',
  ip: 'iproute2',
  mosquitto: 'mosquitto',
  mosquitto_passwd: 'mosquitto',
  mosquitto_pub: 'mosquitto-clients',
  mosquitto_sub: 'mosquitto-clients',
  nginx: 'nginx',
  nsenter: 'util-linux',
  openssl: 'openssl',
  pki: 'strongswan-pki',
  'redis-server': 'redis-server',
  unshare: 'util-linux',
};

/** An error that says how to get the program, when it is not there; else the error itself. */
export function explainMissing(program: string, error: unknown): unknown {
  if (!hasCode(error, 'ENOENT')) return error;
  const name = debianPackages[program] ?? program;
  return new Error(`"${program}" is not installed. Install the Debian package "${name}": apt-get install ${name}`, {
    cause: error,
  });
}
