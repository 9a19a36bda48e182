import type { Settings } from '@sallyport/config';
import { entrances, estPath } from '@sallyport/protocol';
import { Failure } from '../failure.js';
import type { CloudChoice } from './cloud-choice.js';

/** The port the certificate service of a site listens on unless its settings say otherwise. */
const sitePort = entrances.pki.defaultPort;
/** HTTPS; where clouds answer. */
const cloudPort = 443;

/**
 * The address of an EST server: as given (`https://host:port`, with or without the path of EST, `HOST` or `HOST:PORT`), else the cloud's, else `pki.url`.
 *
 * @throws Failure: the text is no address, or nobody said where the cloud is
 */
export function estUrl(given: string | undefined, settings: Settings, { cloud, profile }: CloudChoice): string {
  if (given === undefined && cloud !== 'c8y') return settings.require('pki.url');
  const text = given ?? settings.get('c8y.url');
  if (text === undefined) throw unknownHost(profile);
  const address = addressIn(text);
  if (address === undefined)
    throw new Failure(
      `"${text.replace(/^(https:\/\/)?.*@/, '$1…@')}" is no address of a certificate service.`,
      'Write https://HOST:PORT, HOST:PORT or HOST.',
    );
  // The default port of https disappears when a URL is parsed, so look at the text.
  const hasPort = text.startsWith('https://') || /:\d+$/.test(text);
  return hasPort ? address.origin : `${address.origin}:${cloud === 'c8y' ? cloudPort : sitePort}`;
}

/**
 * Where a certificate is renewed: as given, else `pki.url`. For the cloud `c8y`, while nobody set `pki.url`, it is the
 * Cumulocity proxy at `c8y.proxy.client.*`, if that is set: thin-edge.io renews there, so its directory works as it is.
 *
 * @throws Failure: the text is no address, or the proxy was asked for and nobody said where it is
 */
export function renewalUrl(
  given: string | undefined,
  settings: Settings,
  { ca, cloud }: Pick<CloudChoice, 'cloud'> & { readonly ca: string },
): string {
  if (given !== undefined) return estUrl(given, settings, { cloud: undefined });
  const proxy = proxyUrl(settings);
  if (ca === 'c8y' && proxy === undefined)
    throw new Failure(
      'Renewal by the CA of the cloud needs the Cumulocity proxy, and no setting says where it is.',
      'Leave --ca out to renew with the CA of this site, or set c8y.proxy.client.host and c8y.proxy.client.port.',
    );
  const isProxyMeant = ca === 'c8y' || (cloud === 'c8y' && settings.source('pki.url') === 'default');
  return isProxyMeant && proxy !== undefined ? proxy : settings.require('pki.url');
}

/** Only where it is set: the default is this machine, which may have no proxy. */
function proxyUrl(settings: Settings): string | undefined {
  const keys = ['c8y.proxy.client.host', 'c8y.proxy.client.port'] as const;
  if (keys.every((key) => settings.source(key) === 'default')) return undefined;
  const host = settings.require('c8y.proxy.client.host');
  return `https://${host.includes(':') ? `[${host}]` : host}:${settings.require('c8y.proxy.client.port')}/c8y`;
}

function unknownHost(profile: string | undefined): Failure {
  const option = profile === undefined ? '' : ` --profile ${profile}`;
  return new Failure(
    'No host of the cloud is known.',
    `Pass it (--url HOST) or set it (tedge config set c8y.url HOST${option}).`,
  );
}

/** An origin, alone or with the path of EST (RFC 7030 §3.2.2), as the start of the services prints it. */
function addressIn(text: string): URL | undefined {
  const url = URL.parse(text.startsWith('https://') ? text : `https://${text}`);
  const rest = url === null ? '' : `${url.username}${url.password}${url.pathname}${url.search}${url.hash}`;
  const isOrigin = url !== null && ['/', estPath, `${estPath}/`].includes(rest);
  return isOrigin && !/[\s\p{Cc}]/u.test(text) ? url : undefined;
}
