import { generateKeyPairSync } from 'node:crypto';
import { chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CertificateOptions, freePort, mustRun, TestCa } from '@sallyport/testkit';
import { certificateProfiles, certificatesFromPem } from '@sallyport/x509';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Route } from '../fixtures/admin-server.fixture.js';
import { ago, ahead, otherKey, set, unset } from '../fixtures/broken-site.fixture.js';
import { description } from '../fixtures/device-answers.fixture.js';
import type { FakeSite } from '../fixtures/fake-site.fixture.js';
import { type KeptSite, keptSite } from '../fixtures/kept-site.fixture.js';
import { examine, mend } from '../fixtures/mend.fixture.js';
import { type RealClient, refusedClients } from '../fixtures/real-clients.fixture.js';
import { TestAuthority } from '../fixtures/test-authority.fixture.js';

const bothNames = ['DNS:localhost', 'IP:127.0.0.1'];

/** Leaves only the first certificate in a file. */
async function keepLeaf(path: string): Promise<void> {
  const [leaf] = (await readFile(path, 'utf8')).split(/(?<=-----END CERTIFICATE-----\n)/);
  await writeFile(path, leaf ?? '');
}

/** A pair of another CA with an intermediate; clients of the file transfer trust its root. */
async function operatorPair(
  site: KeptSite,
  { namedCurve = 'P-256', ...options }: CertificateOptions & { readonly namedCurve?: string },
): Promise<{ cert: string; key: string }> {
  await using ca = await TestCa.create();
  const issuing = await ca.intermediate();
  const folder = join(site.directory, 'own');
  const [cert, key, beside] = [join(folder, 'own.pem'), join(folder, 'own.key'), join(folder, 'issuing.pem')];
  await mkdir(folder);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve });
  await writeFile(key, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
  const csr = await mustRun('openssl', ['req', '-new', '-key', key, '-subj', '/CN=gateway']);
  await writeFile(cert, (await issuing.sign(csr, { subjectAltNames: bothNames, ...options })).chainPem);
  await writeFile(beside, issuing.certPem);
  await writeFile(site.rootsPath, site.authority.rootPem + ca.certPem);
  return { cert, key };
}

/** Gives the file transfer such a pair. */
async function useOperatorPair(site: KeptSite, options: Parameters<typeof operatorPair>[1]): Promise<string> {
  const { cert, key } = await operatorPair(site, options);
  await set(site, 'http.cert_path', cert);
  await set(site, 'http.key_path', key);
  return cert;
}

function listOf({ ports }: Pick<FakeSite, 'ports'>): string {
  return `http://127.0.0.1:${ports.crl}/crl/device.crl`;
}

async function revoke({ authority }: Pick<FakeSite, 'authority'>, path: string): Promise<void> {
  const [leaf] = certificatesFromPem(await readFile(path, 'utf8'));
  if (leaf === undefined) throw new Error('no certificate');
  authority.revoked.push({ serialNumber: leaf.serialNumber, revokedAt: ago(1), reason: 'keyCompromise' });
}

/** The registry says that the gateway is locked until somebody unlocks it. */
function lockGateway(routes: Map<string, Route>): void {
  let state = 'locked';
  const device = () => ({ ...description, deviceId: 'gateway', state });
  routes.set('GET /v1/devices/gateway', device);
  routes.set('POST /v1/devices/gateway/unlock', () => {
    state = 'active';
    return device();
  });
}

interface Breakage {
  readonly what: string;
  readonly breakIt: (site: KeptSite) => Promise<unknown>;
  /** Real clients that do not get through then. */
  readonly refused?: readonly RealClient[];
  /** Nobody tells the listeners of it. */
  readonly isUnnoticed?: true;
  /** The check that finds it, and what it says. */
  readonly finds: readonly [id: string, what: string | RegExp];
}

const breakages: readonly Breakage[] = [
  {
    what: 'certificate and key of a listener are exchanged',
    breakIt: async (site) => {
      await set(site, 'http.cert_path', site.agent.key);
      await set(site, 'http.key_path', site.agent.cert);
    },
    finds: [
      'listener-files',
      /The files are exchanged: http\.cert_path .* holds a private key, http\.key_path .* holds a certificate/,
    ],
  },
  {
    what: 'certificate, key and CA of a listener are permuted',
    breakIt: async (site) => {
      await set(site, 'http.cert_path', site.agent.ca);
      await set(site, 'http.key_path', site.agent.cert);
      await set(site, 'http.ca_path', site.agent.key);
    },
    finds: [
      'listener-files',
      /http\.cert_path .* holds a CA certificate, http\.key_path .* holds a certificate, http\.ca_path .* a private key/,
    ],
  },
  {
    what: 'half a pair is set',
    breakIt: (site) => unset(site, 'http.key_path'),
    finds: ['listener-files', 'http.cert_path is set but http.key_path is not'],
  },
  {
    what: 'the certificate file is gone',
    breakIt: ({ agent }) => rm(agent.cert),
    finds: ['listener-files', /http\.cert_path: .*certificate\.pem cannot be read \(ENOENT\)/],
  },
  {
    what: 'the key belongs to another certificate',
    breakIt: ({ agent }) => writeFile(agent.key, otherKey()),
    finds: ['listener-files', 'is not the key of the certificate'],
  },
  {
    what: 'the key file holds garbage',
    breakIt: ({ agent }) => writeFile(agent.key, 'garbage'),
    finds: ['listener-files', 'holds no PEM block, not a private key'],
  },
  {
    what: 'the CA file holds garbage',
    breakIt: ({ agent }) => writeFile(agent.ca, 'garbage'),
    finds: ['listener-files', 'http.ca_path'],
  },
  {
    what: 'a CA directory holds an entry that is no CA',
    breakIt: async (site) => {
      const folder = join(site.directory, 'cas');
      await mkdir(folder);
      await symlink(site.agent.ca, join(folder, 'site.pem'));
      await writeFile(join(folder, 'no ca.txt'), 'hello');
      await set(site, 'http.ca_path', folder);
    },
    finds: ['trusted-cas', /cas\/no ca\.txt: ignored, holds no PEM certificate/],
  },
  {
    what: 'a CA directory holds a private key',
    breakIt: async (site) => {
      const folder = join(site.directory, 'cas');
      await mkdir(folder);
      await symlink(site.agent.ca, join(folder, 'site.pem'));
      await writeFile(join(folder, 'key.pem'), otherKey());
      await set(site, 'http.ca_path', folder);
    },
    finds: ['trusted-cas', 'holds a private key, which does not belong among trusted CAs'],
  },
  {
    what: 'a CA directory leaves this site out',
    refused: ['curl'],
    breakIt: async (site) => {
      const folder = join(site.directory, 'cas');
      await mkdir(folder);
      await writeFile(join(folder, 'other.pem'), new TestAuthority('Other').rootPem);
      await set(site, 'http.ca_path', folder);
    },
    finds: ['trusted-cas', 'does not hold the CA of this site'],
  },
  {
    what: 'the certificate file lacks the intermediate',
    breakIt: ({ agent }) => keepLeaf(agent.cert),
    finds: ['server-chain', 'lacks the intermediate certificate of CN=Test issuing,O=Test'],
  },
  {
    what: 'clients look for the file transfer at a port where nothing listens',
    breakIt: async (site) => set(site, 'http.client.port', String(await freePort())),
    refused: ['curl'],
    finds: ['http-client', /^Nothing answers at 127\.0\.0\.1:\d+ /],
  },
  {
    what: 'clients use a name the certificates do not hold',
    breakIt: (site) => set(site, 'pki.hostnames', 'gateway.example'),
    finds: ['server-names', 'is not for gateway.example'],
  },
  {
    what: 'the certificate of a listener is for clients only',
    refused: ['curl'],
    breakIt: ({ replaceAgent }) => replaceAgent({ kind: 'device' }),
    finds: ['server-purpose', 'its extended key usage is clientAuth and lacks serverAuth'],
  },
  {
    what: 'the certificate of a listener has expired',
    refused: ['curl'],
    breakIt: ({ replaceAgent }) => replaceAgent({ notBefore: ago(40), notAfter: ago(10) }),
    finds: ['server-dates', /expired \d{4}-/],
  },
  {
    what: 'the certificate of a listener is not valid yet',
    refused: ['curl'],
    breakIt: ({ replaceAgent }) => replaceAgent({ notBefore: ahead(1), notAfter: ahead(60) }),
    finds: ['server-dates', /is not valid before \d{4}-/],
  },
  {
    what: 'the certificate of a listener is overdue for renewal',
    breakIt: ({ replaceAgent }) => replaceAgent({ notBefore: ago(25), notAfter: ahead(5) }),
    finds: ['server-dates', 'has not been renewed yet'],
  },
  {
    what: 'a key can be read by everybody',
    breakIt: ({ agent }) => chmod(agent.key, 0o644),
    finds: ['permissions', /can be used by other users of this machine \(mode 0644\)/],
  },
  {
    what: 'a folder with keys can be changed by everybody',
    breakIt: ({ device }) => chmod(device.folder, 0o777),
    finds: ['permissions', /can be changed by other users of this machine \(mode 0777\)/],
  },
  {
    what: 'a secret of the signer can be read by everybody',
    breakIt: async ({ directory }) => {
      await writeFile(join(directory, 'pki', 'token-pepper'), 'pepper');
      await chmod(join(directory, 'pki', 'token-pepper'), 0o640);
    },
    finds: ['permissions', 'pki/token-pepper can be used by other users'],
  },
  {
    what: 'settings changed and nobody told the service',
    isUnnoticed: true,
    breakIt: async (site) => {
      await unset(site, 'http.ca_path');
    },
    finds: ['listeners', 'The listener for file transfer is at level mutual, and its settings say server.'],
  },
  {
    what: 'the key of the device is not that of its certificate',
    breakIt: ({ device }) => writeFile(device.key, otherKey()),
    finds: ['device-identity', 'is not the key of'],
  },
  {
    what: 'the key of the device is gone',
    breakIt: ({ device }) => rm(device.key),
    finds: ['device-identity', 'nothing: there is no such file'],
  },
  {
    what: 'certificate and key of the device are exchanged',
    breakIt: async (site) => {
      await set(site, 'device.cert_path', site.device.key);
      await set(site, 'device.key_path', site.device.cert);
    },
    finds: ['device-identity', 'Certificate and key are exchanged'],
  },
  {
    what: 'the CA file of the device is that of another site',
    breakIt: ({ device }) => writeFile(device.ca, new TestAuthority('Other').rootPem),
    finds: ['device-identity', 'does not lead to the CA in'],
  },
  {
    what: 'the certificate of the device is overdue for renewal',
    breakIt: ({ replaceDevice }) => replaceDevice({ notBefore: ago(80), notAfter: ahead(10) }),
    finds: ['device-identity', /tedge-certificate\.pem expires /],
  },
  {
    what: 'the certificate of the device has expired',
    breakIt: ({ replaceDevice }) => replaceDevice({ notBefore: ago(100), notAfter: ago(10) }),
    finds: ['device-identity', /tedge-certificate\.pem expired /],
  },
  {
    what: 'the certificate of the device is for servers only',
    breakIt: ({ replaceDevice }) =>
      replaceDevice({ profile: certificateProfiles.server, hosts: [{ type: 'dns', value: 'localhost' }] }),
    finds: ['device-identity', 'its extended key usage lacks clientAuth'],
  },
  {
    what: 'client certificate and key are exchanged',
    refused: ['curl'],
    breakIt: async (site) => {
      await set(site, 'http.client.auth.cert_file', site.client.key);
      await set(site, 'http.client.auth.key_file', site.client.cert);
    },
    finds: ['client-identities', 'are exchanged'],
  },
  {
    what: 'half a client certificate is set',
    refused: ['curl'],
    breakIt: (site) => unset(site, 'http.client.auth.key_file'),
    finds: ['client-identities', 'http.client.auth.cert_file is set and http.client.auth.key_file is not'],
  },
  {
    what: 'the client key file holds garbage',
    refused: ['curl', 'mosquitto_pub'],
    breakIt: ({ client }) => writeFile(client.key, 'garbage'),
    finds: ['client-identities', 'they do not pair'],
  },
  {
    what: 'the certificate of the operator has expired',
    breakIt: ({ replaceOperator }) => replaceOperator({ notBefore: ago(40), notAfter: ago(10) }),
    finds: ['client-identities', /admin-certs\/certificate\.pem \(certificate of the operator\) expired \d{4}-/],
  },
  {
    what: 'the certificate of the operator is not valid yet',
    breakIt: ({ replaceOperator }) => replaceOperator({ notBefore: ahead(1), notAfter: ahead(60) }),
    finds: ['client-identities', /\(certificate of the operator\) is not valid before \d{4}-/],
  },
  {
    what: 'the certificate of the operator is overdue for renewal',
    breakIt: ({ replaceOperator }) => replaceOperator({ notBefore: ago(25), notAfter: ahead(5) }),
    finds: ['client-identities', /admin-certs\/certificate\.pem \(certificate of the operator\) expires \d{4}-/],
  },
  {
    what: 'the key of the operator holds garbage',
    breakIt: ({ operator }) => writeFile(operator.key, 'garbage'),
    finds: ['client-identities', /key of the operator .* nothing in PEM; they do not pair/],
  },
  {
    what: 'clients look for the file transfer at another port',
    refused: ['curl'],
    breakIt: (site) => unset(site, 'http.client.port'),
    finds: ['settings', 'but http.client.port is 8000, so clients here miss it'],
  },
  {
    what: 'clients look for the MQTT broker at another port',
    refused: ['mosquitto_pub'],
    breakIt: async (site) => set(site, 'mqtt.client.port', String(await freePort())),
    finds: ['mqtt-client', /^Cannot talk to mqtts:\/\/127\.0\.0\.1:\d+: nothing listens there/],
  },
  {
    what: 'clients trust another CA than that of the MQTT broker',
    refused: ['mosquitto_pub'],
    breakIt: async (site) => {
      await writeFile(join(site.directory, 'other.pem'), new TestAuthority('Other').rootPem);
      await set(site, 'mqtt.client.cafile', join(site.directory, 'other.pem'));
    },
    finds: ['mqtt-client', /^The certificate of mqtts:\/\/127\.0\.0\.1:\d+ was rejected: its CA is not trusted here/],
  },
  {
    what: 'clients show no certificate to the MQTT broker',
    refused: ['mosquitto_pub'],
    breakIt: async (site) => {
      await unset(site, 'mqtt.client.auth.cert_file');
      await unset(site, 'mqtt.client.auth.key_file');
    },
    finds: ['mqtt-client', 'it wants a client certificate, and none was sent'],
  },
  {
    what: 'the CA of the MQTT broker is missing',
    refused: ['mosquitto_pub'],
    breakIt: (site) => set(site, 'mqtt.client.cafile', '/nowhere/ca.crt'),
    finds: ['mqtt-client', 'mqtt.client.auth.ca_file: /nowhere/ca.crt cannot be read (ENOENT).'],
  },
  {
    what: 'clients use no TLS although the MQTT broker does',
    refused: ['mosquitto_pub'],
    breakIt: (site) => unset(site, 'mqtt.client.auth.ca_file'),
    finds: ['mqtt-client', 'closed the connection before it answered'],
  },
  {
    what: 'half a client certificate for the MQTT broker is set',
    refused: ['mosquitto_pub'],
    breakIt: (site) => unset(site, 'mqtt.client.auth.cert_file'),
    finds: ['client-identities', 'mqtt.client.auth.key_file is set and mqtt.client.auth.cert_file is not'],
  },
  {
    what: 'the key of a listener is on a curve that clients do not offer',
    breakIt: (site) => useOperatorPair(site, { namedCurve: 'brainpoolP256r1' }),
    finds: ['listener-files', 'P-256, P-384 or P-521 is needed'],
  },
  {
    what: 'the certificate of the MQTT broker has expired',
    breakIt: ({ replaceBroker }) => replaceBroker({ notBefore: ago(40), notAfter: ago(10) }),
    refused: ['mosquitto_pub'],
    finds: ['server-dates', /mqtt-broker\/certificate\.pem expired \d{4}-/],
  },
  {
    what: 'the certificate of the MQTT broker is for clients only',
    breakIt: ({ replaceBroker }) => replaceBroker({ kind: 'device' }),
    refused: ['mosquitto_pub'],
    finds: ['server-purpose', 'lacks serverAuth'],
  },
  {
    what: 'the certificate of the MQTT broker is for another host',
    breakIt: ({ replaceBroker }) => replaceBroker({ hosts: [{ type: 'dns', value: 'other.example' }] }),
    refused: ['mosquitto_pub'],
    finds: ['server-names', 'is not for localhost'],
  },
  {
    what: 'the certificate file of the MQTT broker lacks the intermediate',
    breakIt: ({ broker }) => keepLeaf(broker.cert),
    finds: ['server-chain', 'lacks the intermediate certificate of CN=Test issuing,O=Test'],
  },
  {
    what: 'the key of the MQTT broker is on a curve that clients do not offer',
    breakIt: async (site) => {
      const { cert, key } = await operatorPair(site, { namedCurve: 'brainpoolP256r1' });
      await set(site, 'mqtt.bind.cert_file', cert);
      await set(site, 'mqtt.bind.key_file', key);
    },
    finds: ['listener-files', 'P-256, P-384 or P-521 is needed'],
  },
  {
    what: 'the CAs of the MQTT broker leave this site out',
    breakIt: ({ broker }) => writeFile(broker.ca, new TestAuthority('Other').rootPem),
    refused: ['mosquitto_pub'],
    finds: ['trusted-cas', 'does not hold the CA of this site'],
  },
  {
    what: 'the certificate of the CoAP gateway has ended',
    breakIt: ({ coap }) => coap.replace({ notBefore: ago(40), notAfter: ago(10) }),
    finds: ['handshakes', /^Clients refuse the certificate of CoAP gateway at .*: it has ended\.$/],
  },
  {
    what: 'the certificate of the CoAP gateway is not valid yet',
    breakIt: ({ coap }) => coap.replace({ notBefore: ahead(20), notAfter: ahead(50) }),
    finds: ['handshakes', /^Clients refuse the certificate of CoAP gateway at .*: it is not valid yet\.$/],
  },
  {
    what: 'the certificate of the CoAP gateway is for clients only',
    breakIt: ({ coap }) => coap.replace({ profile: certificateProfiles.device }),
    refused: ['coap-client'],
    finds: ['handshakes', /^Clients refuse the certificate of CoAP gateway at .*: it is not meant for servers\.$/],
  },
  {
    what: 'the certificate of the CoAP gateway comes without its intermediate',
    breakIt: ({ directory }) => keepLeaf(join(directory, 'service-certs', 'coap-gateway', 'certificate.pem')),
    refused: ['coap-client'],
    finds: [
      'handshakes',
      /^Clients refuse the certificate of CoAP gateway at .*: the certificate of its issuer is missing\.$/,
    ],
  },
  {
    what: 'the CoAP gateway takes key exchanges only on a curve that clients do not offer',
    breakIt: ({ coap }) => coap.exchangeKeysOn('brainpoolP256r1'),
    isUnnoticed: true,
    refused: ['coap-client'],
    finds: ['handshakes', /^No ordinary client can finish a TLS handshake with CoAP gateway at /],
  },
  {
    what: "the operator's certificate comes without its intermediate, which lies beside it",
    breakIt: async (site) => {
      await keepLeaf(await useOperatorPair(site, {}));
    },
    refused: ['curl'],
    finds: [
      'handshakes',
      'file transfer sends a certificate of "CN=Test Issuing CA" and not the certificate of that CA.',
    ],
  },
  {
    what: "the operator's certificate is for clients only",
    breakIt: (site) => useOperatorPair(site, { extendedKeyUsage: 'clientAuth' }),
    refused: ['curl'],
    finds: ['server-purpose', 'lacks serverAuth'],
  },
  {
    what: "the operator's certificate is for another host",
    breakIt: (site) => useOperatorPair(site, { subjectAltNames: ['DNS:other.example'] }),
    refused: ['curl'],
    finds: ['server-names', 'is not for "127.0.0.1"'],
  },
  {
    what: 'the certificate of a listener was revoked',
    breakIt: async ({ replaceAgent, agent, ...site }) => {
      await replaceAgent({ crlUrl: listOf(site) });
      await revoke(site, agent.cert);
    },
    finds: ['revocation', /agent\/certificate\.pem was revoked \d{4}-.*\(keyCompromise\), so it is refused everywhere/],
  },
  {
    what: 'the certificate of this device was revoked',
    breakIt: async ({ replaceDevice, device, ...site }) => {
      await replaceDevice({ crlUrl: listOf(site) });
      await revoke(site, device.cert);
    },
    finds: ['revocation', /tedge-certificate\.pem was revoked \d{4}-/],
  },
  {
    what: 'the certificate of the operator was revoked',
    breakIt: async ({ replaceOperator, operator, ...site }) => {
      await replaceOperator({ crlUrl: listOf(site) });
      await revoke(site, operator.cert);
    },
    finds: ['revocation', /admin-certs\/certificate\.pem was revoked \d{4}-/],
  },
  {
    what: 'the registry has locked this device',
    breakIt: async ({ admin }) => lockGateway(admin['device-registry'].routes),
    finds: ['revocation', 'The registry has locked this device, gateway.'],
  },
  {
    what: 'revocation lists are said to be where nobody answers',
    breakIt: async (site) => set(site, 'pki.public.url', `http://127.0.0.1:${await freePort()}`),
    finds: ['authorities', /^The revocation list of device-1 cannot be fetched from /],
  },
];

describe('doctor beside real clients', () => {
  let site: KeptSite;
  beforeAll(async () => {
    site = await keptSite();
  });
  afterEach(() => site.restore());
  afterAll(() => site[Symbol.asyncDispose]());

  it('finds nothing wrong where all of them get in', async () => {
    expect(await refusedClients(site)).toEqual([]);
    expect(await examine(site.run)).toEqual({ healthy: true, findings: [] });
  });

  it.each(breakages)('says that $what, and its command mends it', async (breakage) => {
    const { breakIt, refused = [], isUnnoticed = false } = breakage;
    const [id, what] = breakage.finds;
    await breakIt(site);
    if (!isUnnoticed) await site.apply();

    expect(await refusedClients(site)).toEqual(refused);
    const { findings } = await examine(site.run);
    expect(findings[0]).toMatchObject({
      id,
      what: typeof what === 'string' ? expect.stringContaining(what) : expect.stringMatching(what),
    });
    await mend(site.run, findings[0]?.fix ?? '', site.start);
    await site.apply();

    expect(await examine(site.run)).toEqual({ healthy: true, findings: [] });
    if (refused.length > 0) expect(await refusedClients(site)).toEqual([]);
  });
});
