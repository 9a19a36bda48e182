import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import type { IdentityFormat } from '@sallyport/protocol';

const usualLength = 16;

/** An identity for a device that has none, in the format of a connector. Its casing is put right later. */
export function newIdentity({ type, prefix = '', length = usualLength }: IdentityFormat): string {
  return prefix + newName(type, length);
}

function newName(type: IdentityFormat['type'], length: number): string {
  switch (type) {
    case 'base10':
      return Array.from({ length }, () => randomInt(10)).join('');
    case 'opaque':
    case 'base16':
      return randomBytes(length).toString('hex').slice(0, length);
    case 'uuid':
    case 'uuidv4':
      return randomUUID();
    case 'mac:48':
      return macGroups(2).join(':');
    case 'mac-48':
      return macGroups(2).join('-');
    case 'mac.48':
      return macGroups(4).join('.');
    default:
      return type satisfies never;
  }
}

function macGroups(digits: 2 | 4): string[] {
  const octets = randomBytes(6);
  // IEEE 802: locally administered, and of one device. So it is the address of no hardware.
  octets[0] = ((octets[0] ?? 0) & 0xfc) | 0x02;
  return octets.toString('hex').match(new RegExp(`.{${digits}}`, 'g')) ?? [];
}
