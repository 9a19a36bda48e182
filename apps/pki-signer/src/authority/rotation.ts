import { Problem, type RotationRequest } from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import { type Certificate, hasBegun, hasEnded, isValidAt } from '@sallyport/x509';
import { type Authority, type AuthorityRecord, isImported } from './authority.js';
import { issuedEvent, stateChange } from './authority-audit.js';
import type { AuthorityMaker } from './authority-maker.js';
import type { Hierarchy } from './hierarchy.js';
import { type IssuingPurpose, issuingPurposes, type RootPublisher } from './root-publisher.js';

/** A rotation that leaves the root as it is. */
interface IssuingRotation {
  readonly purpose: IssuingPurpose;
  readonly overlapSeconds: number;
}

/** Knows whether certificates of a CA are still valid. */
export interface LeafCensus {
  hasUnexpiredLeaves(issuerId: string): Promise<boolean>;
}

/**
 * Moves issuing CAs through their states. A new CA is in the trust bundle before it signs. The old CA stays there, and
 * signs CRLs, until the last certificate it issued has expired; an imported one stays until it expires itself. So no
 * certificate loses its chain.
 */
export class Rotation {
  /** The time of day at the last call of `advance`, milliseconds. */
  private lastLookMs: number | undefined;

  constructor(
    private readonly hierarchy: Hierarchy,
    private readonly maker: AuthorityMaker,
    private readonly census: LeafCensus,
    private readonly clock: Clock,
    /** Validity of the leaves that an issuing CA signs, seconds. */
    private readonly leafValiditySeconds: Readonly<Record<IssuingPurpose, number>>,
    private readonly roots: Pick<RootPublisher, 'rotate'>,
  ) {}

  /**
   * Makes the next issuing CA of a purpose; it signs at once unless an overlap is given. Or makes the next root, with new
   * issuing CAs; there the overlap is one life of a leaf unless another one is given.
   *
   * @throws Problem `conflict`: a rotation of this purpose is under way already
   */
  async rotate({ purpose, ...request }: RotationRequest, actor: string): Promise<void> {
    if (purpose === 'root') await this.roots.rotate(request, actor);
    else await this.publish({ purpose, overlapSeconds: request.overlapSeconds ?? 0 }, actor);
    await this.advance();
  }

  private async publish({ purpose, overlapSeconds }: IssuingRotation, actor: string): Promise<void> {
    const basedOn = this.hierarchy.revision;
    const [published] = this.publishedOf(purpose);
    if (published !== undefined)
      throw new Problem('conflict', `CA "${published.record.id}" already waits to become the active ${purpose} CA.`);
    const generation = this.hierarchy.nextGeneration(purpose);
    const made = await this.maker.makeIssuing(purpose, generation, this.signingRootOf(purpose));
    const activatesAt = new Date(this.clock.now().getTime() + overlapSeconds * 1000).toISOString();
    const record: AuthorityRecord = { ...made, state: 'published', activatesAt };
    const entries = [issuedEvent(record), stateChange(record, actor)];
    if (!(await this.hierarchy.apply({ basedOn, records: [record], entries })))
      throw new Problem('conflict', 'The CA hierarchy was changed meanwhile. Look at it, and rotate again if need be.');
  }

  /** Takes every step that is due: replaces CAs that end soon, activates published ones, retires those nobody needs. */
  async advance(): Promise<void> {
    for (const purpose of issuingPurposes) if (this.isDue(purpose)) await this.rotateInTime(purpose);
    for (const purpose of issuingPurposes) {
      for (const { record } of this.publishedOf(purpose))
        if (this.isOverlapOver(purpose, record)) await this.activate(record);
    }
    await this.settleRoots();
    if (this.isClockSetBack()) for (const { record } of this.hierarchy.all) await this.takeBackNeeded(record.id);
    for (const { record } of this.hierarchy.all) await this.retireUnneeded(record.id);
  }

  /** True at the first call of a process too, because the time before is not known. */
  private isClockSetBack(): boolean {
    const now = this.clock.now().getTime();
    const isSetBack = this.lastLookMs === undefined || now < this.lastLookMs;
    this.lastLookMs = now;
    return isSetBack;
  }

  /** A CA that was retired while the clock was ahead is needed again by certificates that are still valid. */
  private async takeBackNeeded(id: string): Promise<void> {
    const basedOn = this.hierarchy.revision;
    const authority = this.hierarchy.byId(id);
    const { state, withdrawn } = authority.record;
    if (state !== 'retired' || withdrawn === true || !(await this.isNeeded(authority))) return;
    await this.change(basedOn, [{ ...authority.record, state: 'retiring' }]);
  }

  /**
   * A CA is replaced when less than two leaf validities of its life are left, so no leaf is cut short. But never in the
   * first half of its life, and only by a CA that ends later. One that is not valid yet was made while the clock was
   * ahead, and is replaced at once.
   */
  private isDue(purpose: IssuingPurpose): boolean {
    const published = this.publishedOf(purpose);
    const current = this.hierarchy.signing(purpose);
    const { notAfter } = current.certificate;
    const root = this.hierarchy.rootOf(current);
    // A CA below a root that is not valid is worth nothing.
    if (root.record.keyName === undefined || !this.isValid(root)) return false;
    if (!this.hasBegun(current)) return !published.some((each) => this.hasBegun(each));
    if (published.length > 0 || root.certificate.notAfter <= notAfter) return false;
    return this.endsWithin(current, 2 * this.leafValiditySeconds[purpose]);
  }

  /** Ends early when the present CA could not give a whole leaf validity any more, after a long sleep or overlap. */
  private isOverlapOver(purpose: IssuingPurpose, { id, activatesAt }: AuthorityRecord): boolean {
    const { hierarchy } = this;
    if (!this.hasBegun(hierarchy.signing(purpose))) return this.hasBegun(hierarchy.byId(id));
    if (activatesAt === undefined || Date.parse(activatesAt) <= this.clock.now().getTime()) return true;
    return this.endsWithin(this.hierarchy.signing(purpose), this.leafValiditySeconds[purpose]);
  }

  private isValid({ certificate }: Authority): boolean {
    return isValidAt(certificate, this.clock.now());
  }

  private hasBegun({ certificate }: Authority): boolean {
    return hasBegun(certificate, this.clock.now());
  }

  /** Whether less than this is left of its life. Always false in the first half of it. */
  private endsWithin({ certificate: { notBefore, notAfter } }: Authority, seconds: number): boolean {
    const remainingSeconds = (notAfter.getTime() - this.clock.now().getTime()) / 1000;
    const halfLifeSeconds = (notAfter.getTime() - notBefore.getTime()) / 2000;
    return remainingSeconds < Math.min(seconds, halfLifeSeconds);
  }

  /** Those that wait to sign, in the order in which they were made: one of a rotation, one below a new root. */
  private publishedOf(purpose: IssuingPurpose): Authority[] {
    return this.hierarchy.all
      .filter(({ record }) => record.purpose === purpose && record.state === 'published')
      .sort((one, other) => one.record.generation - other.record.generation);
  }

  /** The root of the present CA: relying parties of its certificates trust that root. */
  private signingRootOf(purpose: IssuingPurpose): { readonly keyName: string; readonly certificate: Certificate } {
    const current = this.hierarchy.signing(purpose);
    const { record, certificate } = this.hierarchy.rootOf(current);
    const fault = hasEnded(certificate, this.clock.now()) && this.hierarchy.endFault(current, this.clock.now());
    if (fault) throw new Problem('signing-key-unavailable', `Nothing was signed: ${fault}`);
    if (record.keyName !== undefined) return { keyName: record.keyName, certificate };
    throw new Problem(
      'conflict',
      `The key of the root above CA "${current.record.id}" is held elsewhere. Get the next ${purpose} CA signed there and import it: sallyport ca import.`,
    );
  }

  private rotateInTime(purpose: IssuingPurpose): Promise<void> {
    const overlapSeconds = Math.floor(this.leafValiditySeconds[purpose] / 4);
    return this.publish({ purpose, overlapSeconds }, 'signer');
  }

  private async activate(published: AuthorityRecord): Promise<void> {
    const basedOn = this.hierarchy.revision;
    const { activatesAt: _done, ...kept } = published;
    const predecessors = this.hierarchy.all
      .map(({ record }) => record)
      .filter(({ purpose }) => purpose === published.purpose)
      // An earlier one that still waits has been overtaken.
      .filter(({ state, generation }) => state === 'active' || (state === 'published' && generation < kept.generation));
    await this.change(basedOn, [
      { ...kept, state: 'active' },
      ...predecessors.map((record) => ({ ...record, state: 'retiring' as const })),
    ]);
  }

  /** A published root is active as soon as a CA below it signs. A root that has none below it any more begins to retire. */
  private async settleRoots(): Promise<void> {
    const basedOn = this.hierarchy.revision;
    const signing = this.hierarchy.all.filter(({ record }) => record.purpose !== 'root' && record.state === 'active');
    const rootIds = new Set(signing.map((authority) => this.hierarchy.rootOf(authority).record.id));
    const roots = this.hierarchy.all.map(({ record }) => record).filter(({ purpose }) => purpose === 'root');
    const promoted = roots.filter(({ id, state }) => state === 'published' && rootIds.has(id));
    const newest = Math.max(
      0,
      ...[...promoted, ...roots.filter(isActiveSuccessor)].map(({ generation }) => generation),
    );
    const demoted = roots.filter(
      ({ id, state, generation }) => state === 'active' && generation < newest && !rootIds.has(id),
    );
    if (promoted.length + demoted.length === 0) return;
    await this.change(basedOn, [
      ...promoted.map(({ activatesAt: _done, ...kept }) => ({ ...kept, state: 'active' as const })),
      ...demoted.map((record) => ({ ...record, state: 'retiring' as const })),
    ]);
  }

  private async retireUnneeded(id: string): Promise<void> {
    const basedOn = this.hierarchy.revision;
    const authority = this.hierarchy.byId(id);
    if (authority.record.state !== 'retiring' || (await this.isNeeded(authority))) return;
    await this.change(basedOn, [{ ...authority.record, state: 'retired' }]);
  }

  /** A CA is needed while a certificate below it is still valid. */
  private async isNeeded(authority: Authority): Promise<boolean> {
    if (hasEnded(authority.certificate, this.clock.now())) return false;
    // Certificates it issued before its import are not in our inventory.
    if (isImported(authority)) return true;
    if (authority.record.purpose !== 'root') return this.census.hasUnexpiredLeaves(authority.record.id);
    return this.hierarchy.all.some(
      (other) =>
        other.record.purpose !== 'root' &&
        other.record.state !== 'retired' &&
        this.hierarchy.rootOf(other).record.id === authority.record.id,
    );
  }

  // If another replica was faster, it took the same step. Nothing is left to do.
  private async change(basedOn: number, records: readonly AuthorityRecord[]): Promise<void> {
    await this.hierarchy.apply({ basedOn, records, entries: records.map((record) => stateChange(record, 'signer')) });
  }
}

/** A root that took the place of another one. */
function isActiveSuccessor({ state, publishedAt }: AuthorityRecord): boolean {
  return state === 'active' && publishedAt !== undefined;
}
