/** A curve y² = x³ - 3x + b over the integers modulo p (FIPS 186-4 §D.1.2). */
export interface Curve {
  readonly p: bigint;
  readonly b: bigint;
  /** Octets of a coordinate. */
  readonly octets: number;
}

const p256: Curve = {
  p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
  b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  octets: 32,
};

const p384: Curve = {
  p: 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffffn,
  b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
  octets: 48,
};

/** P-256, or P-384 for that name; nothing else gets past the check of the key's kind. */
export function namedCurve(name: string): Curve {
  return name === 'P-384' ? p384 : p256;
}

/** Whether both coordinates are field elements and satisfy the curve's equation (SP 800-56A §5.6.2.3.3). */
export function isOnCurve({ p, b }: Curve, xOctets: Buffer, yOctets: Buffer): boolean {
  const x = BigInt(`0x${xOctets.toString('hex')}`);
  const y = BigInt(`0x${yOctets.toString('hex')}`);
  return x < p && y < p && (y * y - (x * x - 3n) * x - b) % p === 0n;
}
