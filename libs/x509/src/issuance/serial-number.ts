import { randomBytes, randomFillSync } from 'node:crypto';
import { type SerialNumber, serialNumber } from '@sallyport/protocol';

/** 126 random bits in 16 octets; RFC 5280 §4.1.2.2 allows 20, the CA/Browser Forum asks for 64 bits. */
const serialOctets = 16;

const pooledSerials = 1024;

/** Draws serial numbers from a pool of random octets: one call to the generator for a thousand of them. */
export class SerialNumberPool {
  readonly #pool = Buffer.allocUnsafe(serialOctets * pooledSerials);
  #used = this.#pool.length;

  /** The 16 octets of the next serial number, as they stand in the certificate. */
  next(): Buffer {
    if (this.#used === this.#pool.length) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    const octets = this.#pool.subarray(this.#used, this.#used + serialOctets);
    this.#used += serialOctets;
    return withFixedLength(Buffer.from(octets));
  }
}

/** A serial number nobody can guess: positive, never zero, 16 octets in DER whatever was drawn. */
export function newSerialNumber(): SerialNumber {
  return serialNumber.parse(withFixedLength(randomBytes(serialOctets)).toString('hex'));
}

/** First bit 0: no sign octet is added; second bit 1: no leading octet can be dropped. */
function withFixedLength(octets: Buffer): Buffer {
  octets[0] = ((octets[0] ?? 0) & 0x7f) | 0x40;
  return octets;
}
