import { Injectable } from '@nestjs/common';
import { readPasted } from '@sallyport/client-ca';
import { type ClientCa, type Pasted, Problem } from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import type { CertificateRevocationList } from '@sallyport/x509';
import { z } from 'zod';
import { AllowedAddresses } from '../allowed-addresses.js';
import { largestCrlBytes } from './client-ca-crls.js';

/** Why the last fetch brought nothing. */
export interface CrlFault {
  readonly at: string;
  readonly text: string;
}

const deadlineMs = 10_000;
const storedFault = z.strictObject({ at: z.iso.datetime(), text: z.string() });

/**
 * Fetches revocation lists. It asks only hosts the operator has named (`registry.crl.hosts`), follows no redirect and
 * reads no more than a list may have: otherwise an address somebody wrote into a form would let him reach whatever the
 * registry can reach.
 */
@Injectable()
export class CrlFetch {
  constructor(
    private readonly allowed: AllowedAddresses,
    private readonly store: Store,
    private readonly clock: Clock,
  ) {}

  /**
   * Fetches the list at the address of a Client CA and passes it on. What goes wrong is kept, for those who ask why.
   *
   * @throws Problem `forbidden`: the host is not on the list; `bad-gateway`: there was no list; or as `take` says
   */
  async fetch({ id, crl }: ClientCa, take: (list: CertificateRevocationList) => Promise<void>): Promise<void> {
    if (crl.url === undefined)
      throw new Problem(
        'conflict',
        'This Client CA has no address of a revocation list. Set its crl.url, or upload the list.',
      );
    try {
      await take(crlIn(await this.read(await this.requireAllowed(crl.url))));
      await this.store.delete(faultKey(id));
    } catch (error) {
      const problem = error instanceof Problem ? error : unreachable(crl.url, error);
      await this.store.put(faultKey(id), { at: this.clock.now().toISOString(), text: problem.message });
      throw problem;
    }
  }

  /** Why the last fetch failed, if it did. */
  async faultOf({ id }: Pick<ClientCa, 'id'>): Promise<CrlFault | undefined> {
    return storedFault.safeParse((await this.store.get(faultKey(id)))?.value).data;
  }

  private async requireAllowed(address: string): Promise<URL> {
    const url = new URL(address);
    const hosts = await this.allowed.crlHosts();
    // In a URL, an IPv6 address is in brackets.
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase();
    if (hosts.some((each) => each.toLowerCase() === host)) return url;
    throw new Problem(
      'forbidden',
      `No revocation list is fetched from ${host}: it is not in registry.crl.hosts. Allow it: sallyport config add registry.crl.hosts ${host}`,
    );
  }

  private async read(url: URL): Promise<Buffer> {
    const answer = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(deadlineMs) });
    if (answer.status !== 200 || answer.body === null)
      throw new Problem(
        'bad-gateway',
        `${url.host} answered with status ${answer.status}, not with a revocation list.`,
      );
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of answer.body) {
      bytes += part.length;
      if (bytes > largestCrlBytes)
        throw new Problem('bad-gateway', `The revocation list of ${url.host} has more than ${largestCrlBytes} bytes.`);
      parts.push(part);
    }
    return Buffer.concat(parts);
  }
}

/** The one revocation list in what was pasted. @throws Problem `certificate-rejected` */
export function crlOf(pasted: Pasted): CertificateRevocationList {
  const { items } = readPasted(pasted);
  const [list, ...others] = items.flatMap((item) => (item.kind === 'revocation-list' ? (item.crl ?? []) : []));
  if (list !== undefined && others.length === 0) return list;
  const [found] = items;
  const what = found === undefined || found.kind === 'certificate' ? 'There is no revocation list in it.' : found.text;
  throw new Problem('certificate-rejected', `Give one revocation list (CRL), in PEM or DER. ${what}`);
}

/** The list in what a server sent: PEM or DER. @throws Problem `certificate-rejected` */
function crlIn(bytes: Buffer): CertificateRevocationList {
  return crlOf({ base64: bytes.toString('base64') });
}

function unreachable(address: string, cause: unknown): Problem {
  const { host } = new URL(address);
  return new Problem(
    'bad-gateway',
    `The revocation list could not be fetched from ${host}. Check the host and the network.`,
    { cause },
  );
}

function faultKey(id: ClientCa['id']): string {
  return `client-ca-crl-fault/${id}`;
}
