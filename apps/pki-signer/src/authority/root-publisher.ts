import { Problem } from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import { type Certificate, hasEnded, parseCertificate } from '@sallyport/x509';
import type { SignerAuditEntry } from '../audit/signer-audit.js';
import { type Authority, type AuthorityRecord, isSameAuthority } from './authority.js';
import { crossIssuedEvent, issuedEvent, stateChange } from './authority-audit.js';
import type { AuthorityMaker, KnownRoot, MadeRecord } from './authority-maker.js';
import type { Hierarchy } from './hierarchy.js';

/** CAs that can be replaced alone: relying parties trust the root, so they need no change. */
export const issuingPurposes = ['device', 'service'] as const;
export type IssuingPurpose = (typeof issuingPurposes)[number];

/** A root whose key is here, about to become part of the site. */
export type NewRoot = AuthorityRecord & { readonly keyName: string };

/** A change of the root that was decided, but not made yet. */
export interface RootOrder {
  readonly root: NewRoot;
  /** `hierarchy.revision` from before the decision. */
  readonly basedOn: number;
  /** The purposes that get a CA below the new root. */
  readonly purposes: readonly IssuingPurpose[];
  /** How long everything is published before it signs; the default of the site when absent. */
  readonly overlapSeconds?: number | undefined;
  /** Nothing that the old root vouched for is believed any more. */
  readonly atOnce?: boolean | undefined;
  /** How the site came to this root. */
  readonly entry: SignerAuditEntry;
  readonly actor: string;
}

/** What a change of the root rests on. */
interface Succession extends RootOrder {
  readonly certificate: Certificate;
  /** The roots whose place it takes. */
  readonly former: readonly Authority[];
}

/** New records and the audit rows of the signatures they hold. */
interface Signed {
  readonly root: NewRoot;
  readonly issuing: readonly MadeRecord[];
  /** The former roots, certified by the new one. */
  readonly former: readonly AuthorityRecord[];
  readonly entries: readonly SignerAuditEntry[];
}

/**
 * Brings another root into the site: the root itself, new issuing CAs below it, and the certificates that the old and the
 * new root sign for each other, all in one transaction. If the process is killed before it, there are keys that nothing
 * uses, and the next try uses them.
 */
export class RootPublisher {
  constructor(
    private readonly hierarchy: Hierarchy,
    private readonly maker: AuthorityMaker,
    private readonly clock: Clock,
    /** One whole life of a leaf: whoever is on renews once meanwhile. */
    private readonly defaultOverlapSeconds: number,
  ) {}

  /**
   * Makes the next root of this site.
   *
   * @throws Problem `conflict`: another root waits already, or the keys of all roots are held elsewhere
   */
  async rotate(request: Pick<RootOrder, 'overlapSeconds' | 'atOnce'>, actor: string): Promise<void> {
    const basedOn = this.hierarchy.revision;
    this.requireNoneWaiting(request);
    const purposes = issuingPurposes.filter((purpose) => this.rootOf(purpose).record.keyName !== undefined);
    if (purposes.length === 0)
      throw new Problem(
        'conflict',
        'The key of the root of this site is held elsewhere. Make the next root there, and import it: sallyport ca import --purpose root FILE.',
      );
    const root = await this.maker.makeRoot(this.hierarchy.nextGeneration('root'));
    await this.publish({ ...request, root, basedOn, purposes, entry: issuedEvent(root), actor });
  }

  /**
   * Stores a new root with all that belongs to it.
   *
   * @throws Problem `conflict`: the hierarchy was changed meanwhile, or another root waits already
   * @throws Problem `signing-key-unavailable`: the key of the old root cannot be opened
   */
  async publish(order: RootOrder): Promise<void> {
    this.requireNoneWaiting(order);
    const certificate = parseCertificate(Buffer.from(order.root.certificate, 'base64'));
    const succession = { ...order, certificate, former: this.formerRoots(order.purposes) };
    const signed = await this.sign(succession);
    const records = this.statesOf(succession, signed);
    const entries = [...signed.entries, ...records.map((record) => stateChange(record, order.actor))];
    if (!(await this.hierarchy.apply({ basedOn: order.basedOn, records, entries })))
      throw new Problem('conflict', 'The CA hierarchy was changed meanwhile. Look at it, and try again if need be.');
  }

  private requireNoneWaiting({ atOnce }: Pick<RootOrder, 'atOnce'>): void {
    const waiting = this.hierarchy.all.find(({ record }) => record.purpose === 'root' && record.state === 'published');
    if (waiting === undefined || atOnce === true) return;
    const { id, activatesAt = 'soon' } = waiting.record;
    throw new Problem('conflict', `Root "${id}" already waits to become the root of this site (${activatesAt}).`);
  }

  private rootOf(purpose: IssuingPurpose): Authority {
    return this.hierarchy.rootOf(this.hierarchy.signing(purpose));
  }

  private formerRoots(purposes: readonly IssuingPurpose[]): Authority[] {
    const roots = purposes.map((purpose) => this.rootOf(purpose));
    return [...new Map(roots.map((root) => [root.record.id, root])).values()];
  }

  private async sign(succession: Succession): Promise<Signed> {
    const { root, certificate, purposes, entry } = succession;
    const issuer = { keyName: root.keyName, certificate };
    const issuing = [];
    for (const purpose of purposes)
      issuing.push(await this.maker.makeIssuing(purpose, this.hierarchy.nextGeneration(purpose), issuer));
    const crosses = await this.cross(succession);
    return {
      root: crosses.root,
      issuing,
      former: crosses.former,
      entries: [entry, ...crosses.entries, ...issuing.map(issuedEvent)],
    };
  }

  /** New by old, so that who knows only the old root believes the new one. Old by new, for who knows only the new one. */
  private async cross(succession: Succession): Promise<Omit<Signed, 'issuing'>> {
    const { root, certificate } = succession;
    const fresh: KnownRoot & { readonly keyName: string } = { id: root.id, keyName: root.keyName, certificate };
    const former: AuthorityRecord[] = [];
    const entries: SignerAuditEntry[] = [];
    let crossed = root;
    for (const { record, certificate: older } of this.believed(succession)) {
      const old = { id: record.id, certificate: older };
      if (record.keyName !== undefined && permitsCross(older)) {
        const newByOld = await this.maker.makeCross(fresh, { ...old, keyName: record.keyName });
        crossed = withCross(crossed, record.id, newByOld);
        entries.push(crossIssuedEvent(root.id, newByOld));
      }
      if (!permitsCross(certificate)) continue;
      const oldByNew = await this.maker.makeCross(old, fresh);
      former.push(withCross(record, root.id, oldByNew));
      entries.push(crossIssuedEvent(record.id, oldByNew));
    }
    return { root: crossed, former, entries };
  }

  /** The former roots of another key that are still good. */
  private believed({ atOnce, former, certificate }: Succession): readonly Authority[] {
    if (atOnce === true) return [];
    const now = this.clock.now();
    return former.filter((old) => !isSameAuthority(old.certificate, certificate) && !hasEnded(old.certificate, now));
  }

  private statesOf(succession: Succession, signed: Signed): AuthorityRecord[] {
    const overlapSeconds = this.overlapOf(succession);
    const now = this.clock.now();
    const publishedAt = now.toISOString();
    if (overlapSeconds === 0)
      return [
        { ...signed.root, state: 'active', publishedAt },
        ...signed.issuing.map((record) => ({ ...record, state: 'active' as const })),
        ...this.replacedBy(succession, signed),
      ];
    const activatesAt = new Date(now.getTime() + overlapSeconds * 1000).toISOString();
    const waiting = { state: 'published', activatesAt } as const;
    return [
      { ...signed.root, ...waiting, publishedAt },
      ...signed.issuing.map((record) => ({ ...record, ...waiting })),
      ...signed.former,
    ];
  }

  /** None when nobody could use it: the root has kept its key and name, or the old one is worth nothing. */
  private overlapOf(succession: Succession): number {
    if (this.believed(succession).length === 0) return 0;
    return succession.overlapSeconds ?? this.defaultOverlapSeconds;
  }

  /** The CAs that give way at once: they retire, or leave the trust bundle if the old root is not believed any more. */
  private replacedBy({ root, purposes, former, atOnce, certificate }: Succession, signed: Signed): AuthorityRecord[] {
    const crossed = new Map(signed.former.map((record) => [record.id, record]));
    const given = this.hierarchy.all.filter(({ record }) => record.purpose === 'root' || isAmong(record, purposes));
    const latest = ({ record }: Authority) => crossed.get(record.id) ?? record;
    if (atOnce !== true)
      return given
        .filter(({ record }) => isInUse(record))
        .map((old) => ({ ...latest(old), state: 'retiring' as const }));
    const distrusted = this.withThoseBehind(former.filter((old) => !isSameAuthority(old.certificate, certificate)));
    return this.hierarchy.all
      .filter((authority) => authority.record.id !== root.id && isOneOf(this.hierarchy.rootOf(authority), distrusted))
      .map(({ record }) => ({ ...record, state: 'retired' as const, withdrawn: true as const }));
  }

  /** Stolen roots, and those that have certified one of them: who trusts these believes the stolen key too. */
  private withThoseBehind(stolen: readonly Authority[]): readonly Authority[] {
    const ids = stolen.flatMap(({ crossCertificates }) => crossCertificates.map(({ issuer }) => issuer));
    const behind = [...new Set(ids)].map((id) => this.hierarchy.byId(id)).filter((root) => !isOneOf(root, stolen));
    return behind.length === 0 ? stolen : this.withThoseBehind([...stolen, ...behind]);
  }
}

function isOneOf({ certificate }: Authority, roots: readonly Authority[]): boolean {
  return roots.some((root) => isSameAuthority(root.certificate, certificate));
}

function isInUse({ state }: AuthorityRecord): boolean {
  return state === 'active' || state === 'published';
}

function isAmong({ purpose }: AuthorityRecord, purposes: readonly IssuingPurpose[]): boolean {
  return purposes.some((each) => each === purpose);
}

/** RFC 5280 §4.2.1.9: below a root that certifies another one are that one and an issuing CA. */
function permitsCross({ pathLength }: Certificate): boolean {
  return pathLength === undefined || pathLength >= 2;
}

function withCross<Root extends AuthorityRecord>(root: Root, issuer: string, { der }: Certificate): Root {
  const cross = { issuer, certificate: der.toString('base64') };
  return { ...root, crossCertificates: [...(root.crossCertificates ?? []), cross] };
}
