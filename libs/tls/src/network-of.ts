import { isIP } from 'node:net';

const groupsOfAddress = 8;
const groupsOfNetwork = 4;

/**
 * What one caller cannot change about its address: all of an IPv4 address, the first 64 bits of an IPv6 one, since a
 * subscriber has the other 64 to choose from (RFC 6177 §2).
 *
 * @param address as Node tells it; given back as it is when it is none
 */
export function networkOf(address: string): string {
  // Asked several times for each connection; most addresses are of IPv4.
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
