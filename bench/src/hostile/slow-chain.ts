import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { mustRun } from '@sallyport/testkit';

/** Number of certificates in the chain. OpenSSL checks at most 100. */
const length = 98;

/**
 * An untrusted chain with the keys that are slowest to verify. All certificates share one key, as in a real attack:
 * this saves work for the attacker, and none for the server.
 */
export async function makeSlowChain(directory: string): Promise<ConnectionOptions> {
  const path = (name: string): string => join(directory, name);
  const key = path('slow.key');
  await mustRun('openssl', ['ecparam', '-name', 'sect571r1', '-genkey', '-noout', '-out', key]);
  const pems: string[] = [];
  for (let depth = length; depth > 0; depth -= 1) {
    const issuer = depth === length ? [] : ['-CA', path(`slow-${depth + 1}.pem`), '-CAkey', key];
    const subject = ['-new', '-x509', '-key', key, '-subj', `/CN=c${depth}`, '-days', '2', ...issuer];
    await mustRun('openssl', ['req', ...subject, '-out', path(`slow-${depth}.pem`)]);
    pems.unshift(await readFile(path(`slow-${depth}.pem`), 'utf8'));
  }
  return { cert: pems.join(''), key: await readFile(key, 'utf8') };
}
