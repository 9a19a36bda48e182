import type { Settings } from '@sallyport/config';
import { readTextIfPresent } from '@sallyport/files';
import { type CertificateFiles, localIdentityFiles } from '@sallyport/identity';
import { adminSocketPath, entrances, type ServiceName } from '@sallyport/protocol';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { absolutePath, type GlobalOptions } from '../options.js';
import { AdminClient } from './admin-client.js';
import type { AdminRoute } from './admin-exchange.js';

/** Where an administrator's certificate lies unless options say otherwise. */
export function adminIdentityFiles({ directory }: Settings): CertificateFiles {
  return localIdentityFiles(directory, 'administrator');
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
  const route = await routeTo(service, settings, { context, options });
  return new AdminClient({ service, route, signal: context.signal, log: context.log });
}

async function routeTo(
  service: ServiceName,
  settings: Settings,
  { context, options }: { context: CliContext; options: GlobalOptions },
): Promise<AdminRoute> {
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
