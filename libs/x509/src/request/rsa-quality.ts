/** Odd primes up to 751, as in Boulder. If one of them divides the modulus, the key generator is broken. */
const smallPrimes = oddPrimesUpTo(751);

/** Primes of the ROCA fingerprint: moduli of Infineon's RSALib are powers of 65537 modulo each (CVE-2017-15361). */
const rocaPrimes = oddPrimesUpTo(167);

const rocaGenerator = 65537;

/** The number of Boulder: enough to find primes that share their upper half, and fast enough for every request. */
const fermatRounds = 110;

const minimumExponent = 65537n;
/** Old roots have 3. With 1 everybody could sign, and an even number cannot belong to a key pair. */
const smallestSafeExponent = 3n;
const exponentLimit = 1n << 256n;

/**
 * The error in a public exponent, as the continuation of "it …"; undefined when there is none. With an exponent as long
 * as the modulus, one verification takes 30 ms.
 *
 * @param exponent  big-endian.
 */
export function exponentFault(exponent: Buffer): string | undefined {
  return exponentBelow(minimumExponent, exponent);
}

/** Like `exponentFault`, for a key that another CA has certified: it need not be ideal, but it must not be broken. */
export function exponentWeakness(exponent: Buffer): string | undefined {
  return exponentBelow(smallestSafeExponent, exponent);
}

function exponentBelow(minimum: bigint, exponent: Buffer): string | undefined {
  const e = BigInt(`0x${exponent.toString('hex')}`);
  if (e % 2n === 1n && e >= minimum && e < exponentLimit) return undefined;
  return `has an RSA key with ${e < minimum ? `the exponent ${e}` : 'an exponent that is even or too large'}; use 65537`;
}

/**
 * The reason why an RSA modulus of any length is unsafe, as the continuation of "it …"; undefined when it is safe.
 *
 * @param modulus  big-endian, at least 2048 bits.
 */
export function modulusFault(modulus: Buffer): string | undefined {
  const n = BigInt(`0x${modulus.toString('hex')}`);
  if (n % 2n === 0n || smallPrimes.some((prime) => n % BigInt(prime) === 0n))
    return 'has an RSA key whose modulus has a small factor';
  if (isRoca(n)) return 'has an RSA key made by a broken library (ROCA, CVE-2017-15361)';
  return hasClosePrimes(n) ? 'has an RSA key whose primes are too close together' : undefined;
}

function isRoca(n: bigint): boolean {
  return rocaPrimes.every((prime) => isPowerOfGenerator(Number(n % BigInt(prime)), prime));
}

/** Whether a residue is one of the few that a broken modulus can have. */
function isPowerOfGenerator(residue: number, prime: number): boolean {
  let power = 1;
  do {
    if (power === residue) return true;
    power = (power * rocaGenerator) % prime;
  } while (power !== 1);
  return false;
}

/** Fermat's method (n = a² - b²) finds the factors in a few rounds when the primes are close (CVE-2022-26320). */
function hasClosePrimes(n: bigint): boolean {
  let a = squareRoot(n);
  if (a * a < n) a++;
  let difference = a * a - n;
  for (let round = 0; round < fermatRounds; round++) {
    if (isSquare(difference)) return true;
    difference += 2n * a + 1n;
    a++;
  }
  return false;
}

/** A square has one of only 12 values modulo 64, so for most numbers we need not compute the root. */
const squaresModulo64: ReadonlySet<number> = new Set(Array.from({ length: 64 }, (_, root) => (root * root) % 64));

function isSquare(n: bigint): boolean {
  return squaresModulo64.has(Number(n & 63n)) && squareRoot(n) ** 2n === n;
}

/** Integer part of the square root, by Newton's method from above. */
function squareRoot(n: bigint): bigint {
  if (n < 2n) return n;
  let root = 1n << BigInt(Math.ceil(n.toString(16).length * 2));
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

function oddPrimesUpTo(limit: number): readonly number[] {
  const primes: number[] = [];
  for (let candidate = 3; candidate <= limit; candidate += 2)
    if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate);
  return primes;
}
