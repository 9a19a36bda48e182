import { AdminClient, type AdminPlace } from '@sallyport/admin-client';
import type { Settings } from '@sallyport/config';
import { readTextIfPresent } from '@sallyport/files';
import { type CertificateFiles, localIdentityFiles } from '@sallyport/identity';
import {
  actorNameOf,
  adminSocketPath,
  entranceDefinition,
  entranceGroups,
  entrances,
  type ServiceName,
} from '@sallyport/protocol';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { absolutePath, type GlobalOptions } from '../options.js';
import { failureOf } from './service-unreachable.js';

/** Where an administrator's certificate lies unless options say otherwise. */
export function adminIdentityFiles({ stateDirectory }: Settings): CertificateFiles {
  return localIdentityFiles(stateDirectory, 'administrator');
}

/**
 * A client for the admin API of a service: over its Unix socket, or with `--admin-url` over the network.
 *
 * @throws Failure: `--admin-url` without an address of this service, or without a certificate
 */
export async function adminClientFor(
  service: ServiceName,
  settings: Settings,
  { context, options }: { context: CliContext; options: GlobalOptions },
): Promise<AdminClient> {
  const place = await placeOf(service, settings, { context, options });
  const { signal, log, userName = '' } = context;
  // Over the network the certificate names who asks.
  const actor = 'socketPath' in place ? actorNameOf(userName) : undefined;
  return new AdminClient({ service, place, actor, signal, onRequest: (text) => log.debug(text), faultOf: failureOf });
}

async function placeOf(
  service: ServiceName,
  settings: Settings,
  { context, options }: { context: CliContext; options: GlobalOptions },
): Promise<AdminPlace> {
  if (options.adminUrl === undefined)
    return { socketPath: adminSocketPath(settings.require('run.path'), service, context.cwd) };
  const url = adminUrls(options.adminUrl).get(service);
  if (url === undefined) throw noUrl(service);
  const files = adminIdentityFiles(settings);
  return {
    url,
    cert: await content(context, options.adminCert ?? files.certPath),
    key: await content(context, options.adminKey ?? files.keyPath),
    ca: await content(context, options.adminCa ?? files.caPath),
  };
}

/** Services that have a network entrance to their admin API. */
const reachable = new Map(
  entranceGroups
    .map(entranceDefinition)
    .flatMap((row) => (row.isAdminApi === true ? [[row.service, row] as const] : [])),
);

/**
 * The addresses in `--admin-url`, by service: `https://HOST:8002` of the device registry, and `SERVICE=https://HOST:PORT`
 * of any service, separated by commas.
 */
function adminUrls(text: string): ReadonlyMap<ServiceName, URL> {
  const parts = text.split(',').map((part) => /^(?:([a-z0-9-]+)=)?(.*)$/s.exec(part) ?? []);
  return new Map(parts.map(([, service = 'device-registry', url = '']) => [reachableService(service), adminUrl(url)]));
}

function reachableService(name: string): ServiceName {
  const service = [...reachable.keys()].find((candidate) => candidate === name);
  if (service !== undefined) return service;
  const known = [...reachable.keys()].join(', ');
  throw new Failure(`"${name}" offers no admin API on the network.`, `These services can: ${known}.`);
}

function noUrl(service: ServiceName): Failure {
  const here = 'Run the command on the machine of the service, without --admin-url';
  return new Failure(
    `The admin API of ${service} is not offered on the network.`,
    reachable.has(service) ? `${here}, or name its address too: --admin-url ${service}=https://HOST:PORT` : `${here}.`,
  );
}

function adminUrl(text: string): URL {
  const url = URL.parse(text);
  if (url?.protocol === 'https:') return url;
  throw new Failure(
    `"${text}" is no address of an admin API.`,
    `Write https://HOST:${entrances.registry.defaultPort}.`,
  );
}

async function content(context: CliContext, file: string): Promise<string> {
  const path = absolutePath(context, file);
  const text = await readTextIfPresent(path);
  if (text !== undefined) return text;
  throw new Failure(
    `There is no file ${path}.`,
    "Name the administrator's files with --admin-cert, --admin-key and --admin-ca.",
  );
}
