import type { DeviceId } from '@sallyport/protocol';
import { Problem } from '@sallyport/protocol';
import { type Certificate, hasEnded, isSelfIssued, verifySignedBy } from '@sallyport/x509';

/** A chain, leaf first and without its root, and the roots to trust. */
export interface IssuedChain {
  readonly chain: readonly [Certificate, ...Certificate[]];
  readonly roots: readonly Certificate[];
}

// Root, issuing CA, leaf. Foreign hierarchies have one or two levels more.
const longestChain = 6;

/**
 * Makes a chain of what an EST server issued, and checks it before anything is written: it is for our key and our name,
 * it has not ended, and it leads to a root that the server publishes.
 *
 * @param issued the answer to simpleenroll or simplereenroll, in any order, intermediates or not (RFC 7030 §4.2.3)
 * @param published the answer to cacerts; empty if the server has none, and then no root is needed
 * @throws Problem `certificate-rejected`: the certificates are not what was asked for
 */
export function issuedChain(
  issued: readonly Certificate[],
  published: readonly Certificate[],
  expected: { readonly spki: Buffer; readonly deviceId: DeviceId; readonly now: Date },
): IssuedChain {
  const leaf = issued.find(({ spki, isCa }) => !isCa && spki.equals(expected.spki));
  if (leaf === undefined) throw rejected('it is for another key than the one in the request');
  const [commonName] = leaf.subject.commonNames;
  if (commonName !== expected.deviceId)
    throw rejected(`it names "${commonName ?? ''}", and the request was for "${expected.deviceId}"`);
  // The clock of the signer is wrong. If this certificate replaced the present one, the device could not renew any
  // more.
  if (hasEnded(leaf, expected.now)) throw rejected(`it ended on ${leaf.notAfter.toISOString()}`);
  const intermediates = [...issued, ...published].filter((certificate) => certificate.isCa && !isRoot(certificate));
  const roots = published.filter(isRoot);
  const complete = wayToRoot(leaf, { intermediates: new Set(intermediates), roots });
  if (complete === undefined && published.length > 0)
    throw rejected('it does not lead to a root that the server publishes');
  const chain = complete ?? wayUp(leaf, intermediates);
  return { chain: [...chain, ...wayFromEarlierRoots(chain, issued)], roots };
}

/**
 * While a site changes its root, the answer also holds the new root certified by the old one. Who knows only the old root
 * needs it to believe our chain, and cannot get it anywhere else.
 */
function wayFromEarlierRoots(chain: Chain, issued: readonly Certificate[]): Certificate[] {
  const unused = new Set(issued.filter((certificate) => certificate.isCa && !isRoot(certificate)));
  for (const link of chain) unused.delete(link);
  const way: Certificate[] = [];
  let last = chain.at(-1) ?? chain[0];
  for (;;) {
    const next = [...unused].find((candidate) => verifySignedBy(last, candidate));
    if (next === undefined || chain.length + way.length >= longestChain) return way;
    unused.delete(next);
    way.push(next);
    last = next;
  }
}

type Chain = [Certificate, ...Certificate[]];

interface Authorities {
  /** Each of them is tried once. */
  readonly intermediates: Set<Certificate>;
  readonly roots: readonly Certificate[];
}

/** An issuing CA may have certificates of several roots, and not all roots are published. So all ways are tried. */
function wayToRoot(last: Certificate, authorities: Authorities, longest = longestChain): Chain | undefined {
  const { intermediates, roots } = authorities;
  if (roots.some((root) => verifySignedBy(last, root))) return [last];
  if (longest === 1) return undefined;
  for (const issuer of intermediates) {
    if (!verifySignedBy(last, issuer)) continue;
    intermediates.delete(issuer);
    const rest = wayToRoot(issuer, authorities, longest - 1);
    if (rest !== undefined) return [last, ...rest];
  }
  return undefined;
}

/** The chain as far as the intermediates go, without a root. */
function wayUp(leaf: Certificate, intermediates: readonly Certificate[]): Chain {
  const chain: Chain = [leaf];
  let issuer = intermediates.find((candidate) => verifySignedBy(leaf, candidate));
  while (issuer !== undefined && chain.length < longestChain) {
    const child = issuer;
    chain.push(child);
    issuer = intermediates.find((candidate) => verifySignedBy(child, candidate));
  }
  return chain;
}

/** Whether it is self-signed, with a valid signature. */
function isRoot(certificate: Certificate): boolean {
  return certificate.isCa && isSelfIssued(certificate) && verifySignedBy(certificate, certificate);
}

function rejected(why: string): Problem {
  return new Problem(
    'certificate-rejected',
    `The server issued a certificate that was not kept: ${why}. Tell the operator of the signer.`,
  );
}
