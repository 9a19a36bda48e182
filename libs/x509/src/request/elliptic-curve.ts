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

const p521: Curve = {
  p: (1n << 521n) - 1n,
  b: 0x0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
  octets: 66,
};

/** P-384 and P-521 by these names, otherwise P-256. The check of the kind of key rejects all other curves. */
export function namedCurve(name: string): Curve {
  if (name === 'P-521') return p521;
  return name === 'P-384' ? p384 : p256;
}

/** Whether both coordinates are field elements and satisfy the curve's equation (SP 800-56A §5.6.2.3.3). */
export function isOnCurve({ p, b }: Curve, xOctets: Buffer, yOctets: Buffer): boolean {
  const x = BigInt(`0x${xOctets.toString('hex')}`);
  const y = BigInt(`0x${yOctets.toString('hex')}`);
  return x < p && y < p && (y * y - (x * x - 3n) * x - b) % p === 0n;
}
