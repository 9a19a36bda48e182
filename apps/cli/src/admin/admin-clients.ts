import { AdminClient, type AdminPlace } from '@sallyport/admin-client';
import type { Settings } from '@sallyport/config';
import { readTextIfPresent } from '@sallyport/files';
import { type CertificateFiles, localIdentityFiles } from '@sallyport/identity';
import { actorNameOf, adminSocketPath, entrances, type ServiceName } from '@sallyport/protocol';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { absolutePath, type GlobalOptions } from '../options.js';
import { failureOf } from './service-unreachable.js';

/** Where an administrator's certificate lies unless options say otherwise. */
export function adminIdentityFiles({ stateDirectory }: Settings): CertificateFiles {
  return localIdentityFiles(stateDirectory, 'administrator');
}

/**
 * A client for the admin API of a service: over its Unix socket, or with `--admin-url` over the network, where only the
 * device registry answers.
 *
 * @throws Failure: `--admin-url` with another service, or without a certificate
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
  if (service !== 'device-registry')
    throw new Failure(
      `The admin API of ${service} is not offered on the network.`,
      'Run the command on the machine of the service, without --admin-url.',
    );
  const files = adminIdentityFiles(settings);
  return {
    url: adminUrl(options.adminUrl),
    cert: await content(context, options.adminCert ?? files.certPath),
    key: await content(context, options.adminKey ?? files.keyPath),
    ca: await content(context, options.adminCa ?? files.caPath),
  };
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
