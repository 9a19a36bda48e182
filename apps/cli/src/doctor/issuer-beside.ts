import { dirname, join } from 'node:path';
import { namesIn } from '@sallyport/files';
import { type Certificate, verifySignedBy } from '@sallyport/x509';
import { readPemFile } from '../site/pem-file.js';

const pemName = /\.(?:pem|crt|cer)$/i;
const mostFiles = 100;

/** A file in the folder of a certificate that holds the certificate of its issuer alone; undefined when there is none. */
export async function issuerBeside(certPath: string, leaf: Certificate): Promise<string | undefined> {
  const folder = dirname(certPath);
  const names = (await namesIn(folder).catch(() => [])).filter((name) => pemName.test(name)).slice(0, mostFiles);
  for (const path of names.map((name) => join(folder, name))) {
    const { certificates, privateKey } = await readPemFile(path);
    const [only, ...others] = certificates;
    const isAlone = only !== undefined && others.length === 0 && privateKey === undefined;
    if (isAlone && only.isCa && verifySignedBy(leaf, only)) return path;
  }
  return undefined;
}
