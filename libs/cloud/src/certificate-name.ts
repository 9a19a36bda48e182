import { X509Certificate } from 'node:crypto';
import { readOperatorFile } from '@sallyport/files';
import { certificatePemsIn } from '@sallyport/x509';

/** Common name of the first certificate in a PEM file; undefined if there is no such certificate, or it has no or several names. */
export async function leafNameIn(path: string): Promise<string | undefined> {
  const { text } = await readOperatorFile(path).then((reading) => (reading.state === 'file' ? reading : { text: '' }));
  try {
    // Each attribute of the subject is a line of its own; control characters in a value are escaped.
    const names = new X509Certificate(certificatePemsIn(text)[0] ?? '').subject
      .split('\n')
      .filter((line) => line.startsWith('CN='));
    return names.length === 1 ? names[0]?.slice('CN='.length) : undefined;
  } catch {
    return undefined;
  }
}
