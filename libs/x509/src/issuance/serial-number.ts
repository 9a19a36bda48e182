import { randomBytes, randomFillSync } from 'node:crypto';
import { type SerialNumber, serialNumber } from '@sallyport/protocol';

/** 126 random bits in 16 octets. RFC 5280 §4.1.2.2 allows 20 octets, and the CA/Browser Forum requires 64 bits. */
const serialOctets = 16;

const pooledSerials = 1024;

/** Makes serial numbers from a pool of random octets. It calls the generator once for a thousand numbers. */
export class SerialNumberPool {
  private readonly pool = Buffer.allocUnsafe(serialOctets * pooledSerials);
  private used = this.pool.length;

  /** The 16 octets of the next serial number, as they are in the certificate. */
  next(): Buffer {
    if (this.used === this.pool.length) {
      randomFillSync(this.pool);
      this.used = 0;
    }
    const octets = this.pool.subarray(this.used, this.used + serialOctets);
    this.used += serialOctets;
    return withFixedLength(Buffer.from(octets));
  }
}

/** A serial number that nobody can guess: positive, never zero, always 16 octets in DER. */
export function newSerialNumber(): SerialNumber {
  return serialNumber.parse(withFixedLength(randomBytes(serialOctets)).toString('hex'));
}

/** The first bit is 0, so no sign octet is added. The second bit is 1, so no leading octet is dropped. */
function withFixedLength(octets: Buffer): Buffer {
  octets[0] = ((octets[0] ?? 0) & 0x7f) | 0x40;
  return octets;
}
