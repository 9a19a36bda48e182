import { hash, type KeyObject } from 'node:crypto';
import { type AuthorityImport, type AuthorityPurpose, Problem } from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import {
  type Certificate,
  constraintVerdict,
  hasBegun,
  hasEnded,
  importBundle,
  isCertificateOf,
  isStrongSignature,
  keyWeakness,
  verifySignedBy,
} from '@sallyport/x509';
import type { KeyStore } from '../signing-key/signing-key.js';
import type { AuthorityRecord } from './authority.js';
import { importedEvent, stateChange } from './authority-audit.js';
import { authorityId } from './authority-maker.js';
import type { Hierarchy } from './hierarchy.js';
import { issuingPurposes, type NewRoot, type RootPublisher } from './root-publisher.js';

/** A CA from outside: its certificate first, then those above it. The last one is self-signed. */
interface ImportedAuthority {
  readonly privateKey: KeyObject;
  readonly chain: readonly [Certificate, ...Certificate[]];
}

/** Imports an existing CA: a root, below which new issuing CAs are made, or an issuing CA with its chain. */
export class AuthorityImporter {
  constructor(
    private readonly hierarchy: Hierarchy,
    private readonly roots: Pick<RootPublisher, 'publish'>,
    private readonly keys: KeyStore,
    private readonly clock: Clock,
    /** The shortest remaining life a CA may have. */
    private readonly minimumLifeSeconds: number,
  ) {}

  /**
   * An issuing CA signs at once, and the CAs that signed until now begin to retire. A root with another key than the
   * present one is published first, for an overlap. Certificates issued until now stay valid.
   *
   * @throws Problem `certificate-rejected`: the bundle is unreadable, its password wrong, or it is no CA we can use
   * @throws Problem `conflict`: this CA is part of the hierarchy already, or another root waits
   */
  async import({ purpose, bundle, passphrase, ...request }: AuthorityImport, actor: string): Promise<void> {
    const basedOn = this.hierarchy.revision;
    const imported = this.read(Buffer.from(bundle, 'base64'), purpose, passphrase);
    const [certificate] = imported.chain;
    if (this.hierarchy.all.some((known) => known.certificate.fingerprint === certificate.fingerprint))
      throw new Problem('conflict', 'This CA is part of the hierarchy already.');
    if (purpose !== 'root') return this.importIssuing(basedOn, await this.takeIssuing(imported, purpose), actor);
    const root = await this.take('root', imported);
    const entry = importedEvent(root, actor);
    await this.roots.publish({ ...request, root, basedOn, purposes: issuingPurposes, entry, actor });
  }

  private async importIssuing(basedOn: number, taken: readonly AuthorityRecord[], actor: string): Promise<void> {
    const records = [...taken, ...this.replacedBy(taken)];
    const entries = [
      ...taken.map((record) => importedEvent(record, actor)),
      ...records.map((record) => stateChange(record, actor)),
    ];
    if (!(await this.hierarchy.apply({ basedOn, records, entries })))
      throw new Problem('conflict', 'The CA hierarchy was changed meanwhile. Import again.');
  }

  private read(content: Buffer, purpose: AuthorityPurpose, passphrase: string | undefined): ImportedAuthority {
    const { privateKey, certificates } = importBundle(content, passphrase);
    if (privateKey === undefined)
      throw rejected('It holds no private key. Add the key of the CA, as PKCS#8 or inside a PKCS#12 file.');
    const certificate = certificates.find((candidate) => isCertificateOf(privateKey, candidate));
    if (certificate === undefined) throw rejected('The private key belongs to none of its certificates.');
    const chain = chainFrom(certificate, certificates);
    for (const link of chain) this.checkUsable(link);
    checkPathLengths(chain, purpose);
    if (purpose !== 'device') checkServiceNames(chain);
    if ((purpose === 'root') !== (chain.length === 1))
      throw rejected(
        purpose === 'root'
          ? `"${certificate.subject.text}" is not self-signed. Import it with purpose "device" or "service".`
          : `"${certificate.subject.text}" is self-signed. Import it with purpose "root".`,
      );
    return { privateKey, chain };
  }

  private checkUsable(certificate: Certificate): void {
    const name = `"${certificate.subject.text}"`;
    if (!certificate.isCa) throw rejected(`${name} is not a CA certificate (basicConstraints CA:TRUE is missing).`);
    for (const usage of ['keyCertSign', 'cRLSign'])
      if (certificate.keyUsages !== undefined && !certificate.keyUsages.includes(usage))
        throw rejected(`The key usage of ${name} lacks ${usage}.`);
    if (certificate.unknownCriticalExtensions.length > 0)
      throw rejected(
        `${name} has critical extensions we do not know: ${certificate.unknownCriticalExtensions.join(', ')}.`,
      );
    this.checkLife(certificate, name);
  }

  private checkLife(certificate: Certificate, name: string): void {
    const { notBefore, notAfter } = certificate;
    const now = this.clock.now();
    if (!hasBegun(certificate, now))
      throw rejected(`${name} is not valid before ${notBefore.toISOString()}. Import it then.`);
    if (hasEnded(certificate, now)) throw rejected(`${name} expired on ${notAfter.toISOString()}.`);
    const remainingSeconds = (notAfter.getTime() - now.getTime()) / 1000;
    if (remainingSeconds < this.minimumLifeSeconds)
      throw rejected(`${name} ends on ${notAfter.toISOString()}, too soon for what it would issue. Renew it first.`);
  }

  /** Stores the key before the CA. A key without a CA does no harm, but a CA without its key does. */
  private async take(purpose: AuthorityPurpose, { privateKey, chain }: ImportedAuthority): Promise<NewRoot> {
    const [certificate, ...above] = chain;
    const keyName = keyNameOf(certificate);
    await this.keys.import(keyName, privateKey);
    return { ...this.recordOf(purpose, certificate), intermediates: above.slice(0, -1).map(base64Of), keyName };
  }

  private async takeIssuing(imported: ImportedAuthority, purpose: AuthorityPurpose): Promise<AuthorityRecord[]> {
    const record = await this.take(purpose, imported);
    const root = imported.chain.at(-1) ?? imported.chain[0];
    const isKnown = this.hierarchy.all.some((known) => known.certificate.fingerprint === root.fingerprint);
    return isKnown ? [record] : [record, this.recordOf('root', root)];
  }

  private recordOf(purpose: AuthorityPurpose, certificate: Certificate): AuthorityRecord {
    const generation = this.hierarchy.nextGeneration(purpose);
    const id = authorityId(purpose, generation);
    return { id, purpose, generation, state: 'active', certificate: base64Of(certificate), intermediates: [] };
  }

  /** Active CAs that a CA with a key has replaced. */
  private replacedBy(added: readonly AuthorityRecord[]): AuthorityRecord[] {
    const purposes = new Set(added.filter(({ keyName }) => keyName !== undefined).map(({ purpose }) => purpose));
    return this.hierarchy.all
      .map(({ record }) => record)
      .filter(({ purpose, state }) => purposes.has(purpose) && (state === 'active' || state === 'published'))
      .map((record) => ({ ...record, state: 'retiring' as const }));
  }
}

/** Orders certificates from a CA up to its self-signed root. */
function chainFrom(certificate: Certificate, pool: readonly Certificate[]): [Certificate, ...Certificate[]] {
  const chain: [Certificate, ...Certificate[]] = [certificate];
  let link = certificate;
  requireStrong(link);
  while (!verifySignedBy(link, link)) {
    const issuer = pool.find((candidate) => !chain.includes(candidate) && verifySignedBy(link, candidate));
    if (issuer === undefined)
      throw rejected(
        `The issuer of "${link.subject.text}" is missing. Add the whole chain, up to the self-signed root.`,
      );
    chain.push(issuer);
    link = issuer;
    requireStrong(link);
  }
  return chain;
}

/** Checked first: a weak signature never verifies, so its issuer would seem to be missing. */
function requireStrong(certificate: Certificate): void {
  const weakness = keyWeakness(certificate);
  if (weakness !== undefined) throw rejected(`"${certificate.subject.text}" ${weakness}.`);
  if (!isStrongSignature(certificate.signatureAlgorithm))
    throw rejected(`"${certificate.subject.text}" is signed with ${certificate.signatureAlgorithm}, which is broken.`);
}

/** Entrances check every identity against the name constraints above it. The signer's own name must pass them too. */
function checkServiceNames(chain: readonly Certificate[]): void {
  for (const certificate of chain)
    if (constraintVerdict(certificate, 'pki-signer') === 'forbidden')
      throw rejected(
        `The name constraints of "${certificate.subject.text}" forbid the names of services, such as pki-signer.`,
      );
}

/** RFC 5280 §4.2.1.9: how many CAs may stand between a CA and a leaf; below a root we make issuing CAs. */
function checkPathLengths(chain: readonly Certificate[], purpose: AuthorityPurpose): void {
  for (const [index, { pathLength, subject }] of chain.entries()) {
    const authoritiesBelow = purpose === 'root' ? index + 1 : index;
    if (pathLength !== undefined && pathLength < authoritiesBelow)
      throw rejected(
        `The path length of "${subject.text}" is ${pathLength}, and the number of CAs below it would be ${authoritiesBelow}.`,
      );
  }
}

/** The name comes from the public key. So the same key can be imported twice, and two keys never share a name. */
function keyNameOf({ spki }: Certificate): string {
  return `imported-${hash('sha256', spki).slice(0, 32)}`;
}

function base64Of({ der }: Certificate): string {
  return der.toString('base64');
}

function rejected(reason: string): Problem {
  return new Problem('certificate-rejected', `The CA bundle cannot be used. ${reason}`);
}
