import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The folder of Debian's package python3-cryptography-vectors. The set-up of the tests installs the package. */
const folder = '/usr/lib/python3/dist-packages/cryptography_vectors';

/** A file of the vector package, such as `x509/requests/challenge.pem`. */
export function vector(path: string): Buffer {
  return readFileSync(join(folder, path));
}

/** Names of the files in a folder of the vector package, sorted. */
export function vectorNames(path: string): string[] {
  return readdirSync(join(folder, path)).sort();
}
