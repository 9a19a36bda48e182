import { isIP } from 'node:net';

const groupsOfAddress = 8;
const groupsOfNetwork = 4;

/**
 * The part of an address that a caller cannot choose: the whole IPv4 address, or the first 64 bits of an IPv6 address.
 * An IPv6 subscriber can use any of the other 64 bits (RFC 6177 §2).
 *
 * @param address as Node gives it; returned unchanged when it is not an IP address
 */
export function networkOf(address: string): string {
  // A short cut for IPv4: this runs several times for each connection.
  if (!address.includes(':') || isIP(address) !== 6) return address;
  if (address.includes('.')) {
    const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
    if (mapped !== undefined) return mapped;
  }
  const [head = '', tail] = address.split('::');
  const leading = head.split(':').filter((group) => group !== '');
  const trailing = tail?.split(':').filter((group) => group !== '') ?? [];
  const zeros = Array.from({ length: groupsOfAddress - leading.length - trailing.length }, () => '0');
  return `${[...leading, ...zeros, ...trailing].slice(0, groupsOfNetwork).join(':')}::`;
}
