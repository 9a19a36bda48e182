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
  if (text.startsWith('https://')) return text;
  const url = URL.parse(`https://${text}`);
  if (url === null || text.includes('://') || url.pathname !== '/' || url.username !== '')
    throw new Failure(
      `"${text}" is no address of a certificate service.`,
      'Write https://HOST:PORT, HOST:PORT or HOST.',
    );
  // The default port of https disappears when a URL is parsed, so look at the text.
  const hasPort = /:\d+$/.test(text);
  return hasPort ? `https://${text}` : `https://${url.hostname}:${cloud === 'c8y' ? cloudPort : sitePort}`;
}
