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
  const text = given ?? settings.get('c8y.http');
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
