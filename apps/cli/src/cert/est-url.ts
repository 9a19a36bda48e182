import type { Settings } from '@sallyport/config';
import { Failure } from '../failure.js';
import type { CloudChoice } from './cloud-choice.js';

/** The port the certificate service of a site listens on unless its settings say otherwise. */
const sitePort = 8443;
/** HTTPS; where clouds answer. */
const cloudPort = 443;

/**
 * The address of an EST server: as given (`https://host:port`, `HOST` or `HOST:PORT`), else the cloud's, else `pki.url`.
 *
 * @throws Failure: the text is no address
 */
export function estUrl(given: string | undefined, settings: Settings, { cloud }: Pick<CloudChoice, 'cloud'>): string {
  const cloudHost = cloud === 'c8y' ? settings.get('c8y.url') : undefined;
  const text = given ?? cloudHost;
  if (text === undefined) return settings.require('pki.url');
  const address = addressIn(text);
  if (address === undefined)
    throw new Failure(
      `"${text.replace(/\/\/.*@/, '//…@')}" is no address of a certificate service.`,
      'Write https://HOST:PORT, HOST:PORT or HOST.',
    );
  // The default port of https disappears when a URL is parsed, so look at the text.
  const hasPort = text.startsWith('https://') || /:\d+$/.test(text);
  return hasPort ? address.origin : `${address.origin}:${cloud === 'c8y' ? cloudPort : sitePort}`;
}

/** An origin and nothing more: EST has a path of its own (RFC 7030 §3.2.2). */
function addressIn(text: string): URL | undefined {
  const url = URL.parse(text.startsWith('https://') ? text : `https://${text}`);
  const isOrigin = url !== null && `${url.username}${url.password}${url.pathname}${url.search}${url.hash}` === '/';
  return isOrigin && !/[\s\p{Cc}]/u.test(text) ? url : undefined;
}
