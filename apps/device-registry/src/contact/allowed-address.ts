import { BlockList, isIPv6 } from 'node:net';

/**
 * Whether a new device may come from an address.
 *
 * @param remoteAddress of the socket; an IPv4 address may be written as IPv6 (`::ffff:192.0.2.1`)
 * @param networks in CIDR notation; an empty list allows every address
 */
export function isAllowedAddress(remoteAddress: string, networks: readonly string[]): boolean {
  if (networks.length === 0) return true;
  const list = new BlockList();
  for (const network of networks) {
    const [base = '', bits = ''] = network.split('/');
    list.addSubnet(base, Number(bits), isIPv6(base) ? 'ipv6' : 'ipv4');
  }
  // A zone is no part of the address (RFC 4007 §11).
  const address = remoteAddress.replace(/%.*$/, '');
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
