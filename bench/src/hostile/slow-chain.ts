import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { mustRun } from '@sallyport/testkit';

/** Certificates of the chain; OpenSSL looks at 100 at most. */
const length = 98;

/**
 * A chain that leads nowhere, of the keys that cost most to verify. All share one key, as an attacker's would: it costs
 * him nothing, and the one who verifies knows nothing of it.
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
