import { BlockList, isIP } from 'node:net';

/**
 * Whether a host is reached without the proxy. An entry of the list is `*` for all, a name with everything below it
 * (`example.com` and `.example.com` both cover `a.example.com`), an address, or a network (`10.0.0.0/8`).
 *
 * @param host DNS name or IP address; names are not looked up
 */
export function isReachedDirectly(host: string, noProxy: readonly string[]): boolean {
  return noProxy.some((entry) => covers(entry.toLowerCase(), host.toLowerCase().replace(/\.$/, '')));
}

function covers(entry: string, host: string): boolean {
  if (entry === '*') return true;
  if (isIP(host) !== 0) return coversAddress(entry.replace(/^\[|\]$/g, ''), host);
  const name = entry.replace(/^\*?\./, '').replace(/\.$/, '');
  return name !== '' && (host === name || host.endsWith(`.${name}`));
}

function coversAddress(entry: string, host: string): boolean {
  const [address = '', bits] = entry.split('/');
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  const most = family === 'ipv6' ? 128 : 32;
  if (isIP(address) === 0 || (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= most))) return false;
  const list = new BlockList();
  list.addSubnet(address, bits === undefined ? most : Number(bits), family);
  return list.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4');
}
