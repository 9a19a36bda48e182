import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { type CoapClient, connectCoap } from '@sallyport/coap-wire/testing';
import { freePort, temporaryDirectory } from '@sallyport/testkit';
import { OidcProvider } from '@sallyport/testkit/oidc-provider';
import { buildCertificateRequest, decodeCertsOnly, pemFromDer } from '@sallyport/x509';
import { decode, encode } from 'cborg';
import { z } from 'zod';
import { type LoadRequest, runLoad } from '../enrolments/est-load.js';
import { ServiceProcess } from '../enrolments/service-process.js';
import { SignerSite } from '../enrolments/signer-site.js';
import { cpuMillisecondsOf } from '../process/cpu-time.js';
import { residentKilobytes } from '../process/memory.js';
import { quantileOf } from '../process/statistics.js';

const fleet = 1_000;
const atOnce = 16;
const mostAttempts = 60;
const rounds = 3;
// Of connections by the listener, and of requests.
const refusals = /^sallyport_(entrance|coap)_refused_total/;
const owner = 'alice';
const signedUp = z.object({ accesstoken: z.string() });

/** A device with its identity certificate. */
interface Device {
  readonly id: string;
  readonly certPem: string;
  readonly keyPem: string;
  /** It connects from there. */
  readonly localAddress: string;
}

/**
 * A fleet that comes back at once, as after a power cut: each device connects with its certificate and signs in. Signer,
 * registry and gateway are processes of their own, with a Mosquitto broker. Then its memory, while all are signed in.
 */
export async function reportStorm(): Promise<void> {
  await using opened = new AsyncDisposableStack();
  const site = opened.use(await SignerSite.start());
  const provider = await OidcProvider.start();
  opened.defer(() => provider.stop());
  const files = opened.use(temporaryDirectory('sallyport-b-'));
  const port = await freePort();
  await configureGateway(files.path, { site, provider, port });
  const devices = await enrolAll(site);
  const connect = connecting(port, site.rootPem);
  const tokens = new Map<string, string>();
  await withGateway(files.path, () =>
    forAll(devices, atOnce, async (device) => {
      await using client = await connect(device);
      const body = { di: device.id, accesstoken: await provider.codeFor(owner), authprovider: 'plant' };
      tokens.set(device.id, signedUp.parse(await post(client, 'account', body)).accesstoken);
    }),
  );
  const behindOne = devices.map((device) => ({ ...device, localAddress: '127.0.0.1' }));
  for (let round = 0; round < rounds; round += 1)
    for (const [name, coming] of [
      ['an address each', devices],
      ['all behind one address', behindOne],
    ] as const)
      await withGateway(files.path, (gateway) => storm(coming, { name, connect, tokens, gateway }));
}

/** Starts a gateway that remembers nothing of the devices but what is on its disk. */
async function withGateway(directory: string, work: (gateway: ServiceProcess) => Promise<void>): Promise<void> {
  const gateway = await ServiceProcess.start('coap-gateway', directory);
  try {
    await work(gateway);
  } finally {
    await gateway.stop();
  }
}

interface Storm {
  readonly name: string;
  readonly connect: (device: Device) => Promise<CoapClient>;
  readonly tokens: ReadonlyMap<string, string>;
  readonly gateway: ServiceProcess;
}

async function storm(devices: readonly Device[], { name, connect, tokens, gateway }: Storm): Promise<void> {
  const { pid } = gateway;
  const clients: CoapClient[] = [];
  const [startedAt, cpuBefore, memoryBefore] = [performance.now(), cpuMillisecondsOf(pid), residentKilobytes(pid)];
  const times: number[] = [];
  let failed = 0;
  await forAll(devices, fleet, async (device) => {
    const accesstoken = tokens.get(device.id) ?? '';
    const body = { di: device.id, uid: owner, accesstoken, login: true };
    const signIn = async () => {
      const client = await connect(device);
      await post(client, 'session', body);
      return client;
    };
    clients.push(await tryAgain(signIn, () => (failed += 1)));
    times.push(performance.now() - startedAt);
  });
  const cpu = (cpuMillisecondsOf(pid) - cpuBefore) / fleet;
  const memory = (residentKilobytes(pid) - memoryBefore) / fleet;
  const at = (share: number) => `${(quantileOf(times, share) / 1000).toFixed(1)} s`;
  console.log(`${fleet} devices, ${name}, sign in at once: signed in after ${at(0.5)} (p50), ${at(0.99)} (p99);`);
  console.log(
    `  CPU of the gateway for each ${cpu.toFixed(2)} ms; its memory grew by ${memory.toFixed(1)} KiB for each;`,
  );
  console.log(`  ${failed} attempts failed, and were made again after a second; the gateway refused:`);
  for (const [sample, count] of await gateway.metrics(refusals)) console.log(`    ${count} ${sample}`);
  for (const client of clients) await client[Symbol.asyncDispose]();
}

/** As a device does that is turned away. */
async function tryAgain(signIn: () => Promise<CoapClient>, onRefused: () => void): Promise<CoapClient> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await signIn();
    } catch (error) {
      if (attempt === mostAttempts) throw error;
      onRefused();
      await pause(1_000);
    }
  }
}

async function post(client: CoapClient, resource: string, body: object): Promise<unknown> {
  const request = { method: 'POST', contentFormat: 10_000, payload: Buffer.from(encode(body)) } as const;
  const { code, payload } = await client.ask(`/oic/sec/${resource}`, { ...request, deadlineMs: 60_000 });
  if (code !== '2.04') throw new Error(`/oic/sec/${resource} was answered ${code} ${payload?.toString()}`);
  return decode(payload ?? Buffer.alloc(0));
}

function connecting(port: number, ca: string): (device: Device) => Promise<CoapClient> {
  return ({ certPem: cert, keyPem: key, localAddress }) => {
    const tls = { ca, cert, key, localAddress };
    return connectCoap({ port, tls });
  };
}

/** Does the work for each device, for so many at a time. */
async function forAll(devices: readonly Device[], count: number, work: (device: Device) => Promise<void>) {
  const waiting = devices.values();
  const next = async (): Promise<void> => {
    for (const device of waiting) await work(device);
  };
  await Promise.all(Array.from({ length: count }, next));
}

async function enrolAll(site: SignerSite): Promise<Device[]> {
  const ids = Array.from({ length: fleet }, (_, index) => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`);
  const keys = ids.map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  const requests: LoadRequest[] = [];
  for (const [index, key] of keys.entries()) requests.push(await enrolmentOf(site, `uuid:${ids[index]}`, key));
  const target = { port: site.port, rootPem: site.rootPem, pid: site.signer.pid };
  const { bodies } = await runLoad(target, requests, { keepAlive: true });
  return keys.map((key, index) => {
    const chain = decodeCertsOnly(Buffer.from(bodies[index] ?? '', 'base64'));
    const certPem = chain.map((der) => pemFromDer('CERTIFICATE', der)).join('');
    const keyPem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
    return {
      id: ids[index] ?? '',
      certPem,
      keyPem,
      localAddress: `127.1.${Math.floor(index / 250)}.${(index % 250) + 1}`,
    };
  });
}

async function enrolmentOf(site: SignerSite, name: string, privateKey: KeyObject): Promise<LoadRequest> {
  const credentials = Buffer.from(`${name}:${await site.tokenFor(name)}`).toString('base64');
  return {
    // With its chain: the gateway needs the issuing CA, too.
    path: '/.well-known/est/chain/simpleenroll',
    method: 'POST',
    headers: { authorization: `Basic ${credentials}`, 'content-type': 'application/pkcs10' },
    body: buildCertificateRequest({ privateKey, commonName: name }).toString('base64'),
  };
}

interface GatewaySettings {
  readonly site: SignerSite;
  readonly provider: OidcProvider;
  readonly port: number;
}

async function configureGateway(directory: string, { site, provider, port }: GatewaySettings): Promise<void> {
  const { issuer, client } = provider;
  await mkdir(`${directory}/data`);
  await writeFile(`${directory}/secret`, client.secret);
  const shared = [`issuer = "${issuer}"`, `client_id = "${client.id}"`, `client_secret_path = "${directory}/secret"`];
  const providers = ['[[provider]]', 'name = "plant"', ...shared, `redirect_url = "${client.redirectUri}"`];
  await writeFile(`${directory}/providers.toml`, providers.join('\n'));
  const lines = [
    `run.path = "${directory}/run"`,
    `data.path = "${directory}/data"`,
    `mqtt.client.port = ${site.brokerPort}`,
    `coap.bind.port = ${port}`,
    `coap.authorization.providers_path = "${directory}/providers.toml"`,
  ];
  await writeFile(`${directory}/tedge.toml`, lines.join('\n'));
}
