import { requireGroup, type Settings } from '@sallyport/config';
import type { HttpProxy } from './cloud-connection.js';

const usualPort = { 'http:': 80, 'https:': 443 } as const;

/**
 * The proxy of `proxy.address`, or undefined when there is none.
 *
 * @throws Problem `config-invalid`: of `proxy.username` and `proxy.password` only one is set
 */
export function httpProxyOf(settings: Settings): HttpProxy | undefined {
  const address = settings.get('proxy.address');
  if (address === undefined) return undefined;
  const url = new URL(/^https?:/.test(address) ? address : `http://${address}`);
  const isTls = url.protocol === 'https:';
  const [username, password] = requireGroup(settings, ['proxy.username', 'proxy.password']) ?? [];
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? usualPort[isTls ? 'https:' : 'http:'] : Number(url.port),
    isTls,
    username,
    password,
    noProxy: namesIn(settings.get('proxy.no_proxy') ?? ''),
  };
}

function namesIn(list: string): string[] {
  return list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
