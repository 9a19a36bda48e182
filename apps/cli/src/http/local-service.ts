import { requireGroup, type Settings } from '@sallyport/config';
import { Failure } from '../failure.js';

/** A service on this machine, or on its gateway, that devices use over HTTP. */
export interface LocalService {
  /** `http://HOST:PORT` or `https://HOST:PORT`. */
  readonly origin: string;
  /** The settings that say where it is, for advice. */
  readonly chosenBy: string;
}

/** Files of the certificate and the key that clients of this machine show. */
export interface ClientFiles {
  readonly cert: string;
  readonly key: string;
}

/** The Cumulocity proxy, where clients of this device find it. */
export function cloudProxy(settings: Settings): LocalService {
  return serviceAt(settings, 'c8y.proxy');
}

/**
 * The service that serves a path: `/c8y` is the Cumulocity proxy; `/te` and `/tedge` are file transfer and entities.
 *
 * @throws Failure: it is another path
 */
export function serviceOf(target: string, settings: Settings): LocalService {
  const [, first = ''] = /^\/([^/?]*)/.exec(target) ?? [];
  if (first === 'c8y') return cloudProxy(settings);
  if (first === 'te' || first === 'tedge') return serviceAt(settings, 'http');
  throw new Failure(
    `Not a local HTTP uri: ${target}`,
    'It begins with /c8y (the Cumulocity proxy), or with /te or /tedge (file transfer and entities).',
  );
}

/**
 * What clients of this machine show to a service over TLS; undefined when nothing is set.
 *
 * @throws Problem `config-invalid`: only one of certificate and key is set
 */
export function clientFiles(settings: Settings): ClientFiles | undefined {
  const [cert, key] = requireGroup(settings, ['http.client.auth.cert_file', 'http.client.auth.key_file']) ?? [];
  return cert === undefined || key === undefined ? undefined : { cert, key };
}

/** As in thin-edge.io: whether it is HTTPS is known from the certificate of the service in the settings of this machine. */
function serviceAt(settings: Settings, group: 'http' | 'c8y.proxy'): LocalService {
  const scheme = settings.get(`${group}.cert_path`) === undefined ? 'http' : 'https';
  const host = settings.require(`${group}.client.host`);
  const port = settings.require(`${group}.client.port`);
  return {
    origin: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    chosenBy: `${group}.client.host and ${group}.client.port`,
  };
}
