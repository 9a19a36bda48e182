import { Problem } from '@sallyport/protocol';
import type { Certificate } from './certificate.js';
import { DerReader } from './der/reader.js';
import { readAscii } from './der/strings.js';
import { contextConstructed, contextPrimitive, tags } from './der/tags.js';
import { certificateDocument } from './documents.js';
import { oids } from './oids.js';

/**
 * What the name constraints of a CA say about an identity (a CN):
 *
 * - `unconstrained`: the CA has no constraints.
 * - `permitted`: the identity is in a permitted DNS subtree.
 * - `forbidden`: the identity is in no permitted DNS subtree, or in an excluded one.
 * - `silent`: the CA constrains only other kinds of names.
 */
export type ConstraintVerdict = 'unconstrained' | 'permitted' | 'forbidden' | 'silent';

/**
 * Checks an identity against the name constraints of a CA (RFC 5280 §4.2.1.10). The identity counts as a DNS name, also
 * without a dot. OpenSSL does not check a CN without a dot, so a CA for `acme.example` could issue for `gateway`.
 * Constraints that cannot be read forbid everything.
 */
export function constraintVerdict({ extensions }: Certificate, identity: string): ConstraintVerdict {
  const extension = extensions.find(({ oid }) => oid === oids.nameConstraints);
  if (extension === undefined) return 'unconstrained';
  const subtrees = dnsSubtrees(extension.value);
  if (subtrees === undefined || subtrees.excluded.some((base) => isWithin(identity, base))) return 'forbidden';
  if (subtrees.permitted.length === 0) return 'silent';
  return subtrees.permitted.some((base) => isWithin(identity, base)) ? 'permitted' : 'forbidden';
}

/**
 * Compares like OpenSSL: an empty base contains every name. A base that begins with a dot contains only names below it.
 */
function isWithin(identity: string, base: string): boolean {
  const [name, suffix] = [identity.toLowerCase(), base.toLowerCase()];
  if (suffix === '' || name === suffix) return true;
  return name.endsWith(suffix.startsWith('.') ? suffix : `.${suffix}`);
}

interface DnsSubtrees {
  readonly permitted: readonly string[];
  readonly excluded: readonly string[];
}

function dnsSubtrees(value: Buffer): DnsSubtrees | undefined {
  const reader = new DerReader(value, certificateDocument, 'the name constraints');
  try {
    reader.enter(tags.sequence);
    const permitted = readSubtrees(reader, contextConstructed(0));
    const excluded = readSubtrees(reader, contextConstructed(1));
    reader.leave();
    reader.finish();
    return { permitted, excluded };
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

/** The bases that are DNS names; the others are skipped. */
function readSubtrees(reader: DerReader, tag: number): string[] {
  const bases: string[] = [];
  if (reader.nextTag !== tag) return bases;
  reader.enter(tag);
  while (!reader.isAtEnd) {
    reader.enter(tags.sequence);
    if (reader.nextTag === dnsName) bases.push(readAscii(reader, dnsName));
    else reader.skip();
    // In this profile minimum is 0, which DER does not encode, and maximum is absent.
    reader.leave();
  }
  reader.leave();
  return bases;
}

const dnsName = contextPrimitive(2);
