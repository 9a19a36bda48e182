import { get } from 'node:http';
import { Problem } from '@sallyport/protocol';
import { type Certificate, type CertificateRevocationList, parseCrl, verifyCrlSignedBy } from '@sallyport/x509';

const deadlineMs = 5_000;
const largestCrlBytes = 64 * 1024 * 1024;

/** A revocation list as a client gets it: the list, or why it is of no use. */
export type FetchedList =
  | { readonly list: CertificateRevocationList; readonly fault?: never; readonly isAbsent?: never }
  | { readonly list?: never; readonly fault: string /** Nobody answers at the address. */; readonly isAbsent: boolean };

/**
 * Fetches a revocation list as a client does.
 *
 * @param issuer who must have signed it; anybody when undefined
 */
export async function fetchRevocationList(url: URL, issuer: Certificate | undefined, now: Date): Promise<FetchedList> {
  const der = await download(url);
  if (der === undefined) return { fault: `cannot be fetched from ${url.href}`, isAbsent: true };
  const list = listIn(der);
  if (list === undefined) return { fault: 'cannot be read', isAbsent: false };
  if (issuer !== undefined && !verifyCrlSignedBy(list, issuer))
    return { fault: 'is not signed by that CA', isAbsent: false };
  if (list.nextUpdate !== undefined && list.nextUpdate < now)
    return { fault: `is stale since ${list.nextUpdate.toISOString()}`, isAbsent: false };
  return { list };
}

function listIn(der: Buffer): CertificateRevocationList | undefined {
  try {
    return parseCrl(der);
  } catch (fault) {
    if (fault instanceof Problem) return undefined;
    throw fault;
  }
}

function download(url: URL): Promise<Buffer | undefined> {
  if (url.protocol !== 'http:') return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const outgoing = get(url, { agent: false, signal: AbortSignal.timeout(deadlineMs) }, (answer) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > largestCrlBytes) outgoing.destroy();
        else chunks.push(chunk);
      });
      answer.once('end', () => resolve(answer.statusCode === 200 ? Buffer.concat(chunks) : undefined));
      answer.on('error', () => resolve(undefined));
    });
    outgoing.on('error', () => resolve(undefined));
    outgoing.once('close', () => resolve(undefined));
  });
}
