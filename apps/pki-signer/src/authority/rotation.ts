import { Problem, type RotationRequest } from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import { type Certificate, hasEnded } from '@sallyport/x509';
import type { SignerAuditEntry } from '../audit/signer-audit.js';
import { type Authority, type AuthorityRecord, isImported } from './authority.js';
import type { AuthorityMaker } from './authority-maker.js';
import { issuedEvent } from './founding.js';
import type { Hierarchy } from './hierarchy.js';

/** CAs that are replaced without the relying parties' help: they trust the root. */
const issuingPurposes = ['device', 'service'] as const;
export type IssuingPurpose = (typeof issuingPurposes)[number];

/** Says whether certificates a CA issued are still in date. */
export interface LeafCensus {
  hasUnexpiredLeaves(issuerId: string): Promise<boolean>;
}

/**
 * Moves issuing CAs through their states. A new one is published in the trust bundle before it signs; the old one
 * stays there, and signs CRLs, until the last certificate it issued has expired, or, when it was imported, until it
 * expires itself. So no certificate loses its chain.
 */
export class Rotation {
  /** The time of day at the last look, milliseconds. */
  private lastLookMs: number | undefined;

  constructor(
    private readonly hierarchy: Hierarchy,
    private readonly maker: AuthorityMaker,
    private readonly census: LeafCensus,
    private readonly clock: Clock,
    /** Life of the leaves an issuing CA signs, seconds. */
    private readonly leafValiditySeconds: Readonly<Record<IssuingPurpose, number>>,
  ) {}

  /**
   * Makes the next issuing CA of a purpose; without overlap it signs at once.
   *
   * @throws Problem `conflict`: a rotation of this purpose is under way already
   */
  async rotate(request: RotationRequest, actor: string): Promise<void> {
    await this.publish(request, actor);
    await this.advance();
  }

  private async publish({ purpose, overlapSeconds }: RotationRequest, actor: string): Promise<void> {
    const basedOn = this.hierarchy.revision;
    const published = this.publishedOf(purpose);
    if (published !== undefined)
      throw new Problem('conflict', `CA "${published.record.id}" already waits to become the active ${purpose} CA.`);
    const generation = nextGeneration(this.hierarchy, purpose);
    const made = await this.maker.makeIssuing(purpose, generation, this.signingRootOf(purpose));
    const activatesAt = new Date(this.clock.now().getTime() + overlapSeconds * 1000).toISOString();
    const record: AuthorityRecord = { ...made, state: 'published', activatesAt };
    const entries = [issuedEvent(record), stateChange(record, actor)];
    if (!(await this.hierarchy.apply({ basedOn, records: [record], entries })))
      throw new Problem('conflict', 'The CA hierarchy was changed meanwhile. Look at it, and rotate again if need be.');
  }

  /** Takes every step that is due: replaces CAs that end, activates published ones, retires what nobody needs. */
  async advance(): Promise<void> {
    for (const purpose of issuingPurposes) if (this.isDue(purpose)) await this.rotateInTime(purpose);
    for (const purpose of issuingPurposes) {
      const published = this.publishedOf(purpose);
      if (published !== undefined && this.isOverlapOver(purpose, published.record))
        await this.activate(published.record);
    }
    if (this.isClockSetBack()) for (const { record } of this.hierarchy.all) await this.takeBackNeeded(record.id);
    for (const { record } of this.hierarchy.all) await this.retireUnneeded(record.id);
  }

  /** Also at the first look of a process: nobody knows what was before. */
  private isClockSetBack(): boolean {
    const now = this.clock.now().getTime();
    const isSetBack = this.lastLookMs === undefined || now < this.lastLookMs;
    this.lastLookMs = now;
    return isSetBack;
  }

  /** A CA that was retired while the clock was ahead vouches again for the certificates that are still in date. */
  private async takeBackNeeded(id: string): Promise<void> {
    const basedOn = this.hierarchy.revision;
    const authority = this.hierarchy.byId(id);
    if (authority.record.state !== 'retired' || !(await this.isNeeded(authority))) return;
    await this.change(basedOn, [{ ...authority.record, state: 'retiring' }]);
  }

  /**
   * A CA is replaced while it can still give two whole lives, so that no leaf is ever cut short; but not in the first
   * half of its own life, and only by one that ends later.
   */
  private isDue(purpose: IssuingPurpose): boolean {
    if (this.publishedOf(purpose) !== undefined) return false;
    const current = this.hierarchy.signing(purpose);
    const { notAfter } = current.certificate;
    const root = this.hierarchy.rootOf(current);
    if (root.record.keyName === undefined || root.certificate.notAfter <= notAfter) return false;
    // A CA made under a root that has ended would be worth nothing.
    if (hasEnded(root.certificate, this.clock.now())) return false;
    return this.endsWithin(current, 2 * this.leafValiditySeconds[purpose]);
  }

  /** Early when the present CA, after a long sleep or for a long overlap, could not give a whole life any more. */
  private isOverlapOver(purpose: IssuingPurpose, { activatesAt }: AuthorityRecord): boolean {
    if (activatesAt === undefined || Date.parse(activatesAt) <= this.clock.now().getTime()) return true;
    return this.endsWithin(this.hierarchy.signing(purpose), this.leafValiditySeconds[purpose]);
  }

  /** Whether so little of its life is left; never in the first half of it. */
  private endsWithin({ certificate: { notBefore, notAfter } }: Authority, seconds: number): boolean {
    const remainingSeconds = (notAfter.getTime() - this.clock.now().getTime()) / 1000;
    const halfLifeSeconds = (notAfter.getTime() - notBefore.getTime()) / 2000;
    return remainingSeconds < Math.min(seconds, halfLifeSeconds);
  }

  private publishedOf(purpose: IssuingPurpose): Authority | undefined {
    return this.hierarchy.all.find(({ record }) => record.purpose === purpose && record.state === 'published');
  }

  /** The root the present CA comes from: relying parties of its certificates trust that one. */
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
      .filter(({ purpose, state }) => purpose === published.purpose && state === 'active');
    await this.change(basedOn, [
      { ...kept, state: 'active' },
      ...predecessors.map((record) => ({ ...record, state: 'retiring' as const })),
    ]);
  }

  private async retireUnneeded(id: string): Promise<void> {
    const basedOn = this.hierarchy.revision;
    const authority = this.hierarchy.byId(id);
    if (authority.record.state !== 'retiring' || (await this.isNeeded(authority))) return;
    await this.change(basedOn, [{ ...authority.record, state: 'retired' }]);
  }

  /** A CA is needed while a certificate below it can still be shown to somebody. */
  private async isNeeded(authority: Authority): Promise<boolean> {
    if (hasEnded(authority.certificate, this.clock.now())) return false;
    // What it issued before it came here, nobody here has counted.
    if (isImported(authority)) return true;
    if (authority.record.purpose !== 'root') return this.census.hasUnexpiredLeaves(authority.record.id);
    return this.hierarchy.all.some(
      (other) =>
        other.record.purpose !== 'root' &&
        other.record.state !== 'retired' &&
        this.hierarchy.rootOf(other).record.id === authority.record.id,
    );
  }

  // A faster replica has taken the same step: nothing is left to do.
  private async change(basedOn: number, records: readonly AuthorityRecord[]): Promise<void> {
    await this.hierarchy.apply({ basedOn, records, entries: records.map((record) => stateChange(record, 'signer')) });
  }
}

/** The number of the next CA of a purpose. */
export function nextGeneration(hierarchy: Hierarchy, purpose: AuthorityRecord['purpose']): number {
  const generations = hierarchy.all.filter(({ record }) => record.purpose === purpose).map((a) => a.record.generation);
  return Math.max(0, ...generations) + 1;
}

/** The audit event of a CA entering a state. */
export function stateChange({ id, state }: AuthorityRecord, actor: string): SignerAuditEntry {
  return { action: 'authority-state-changed', actor, subject: id, outcome: 'succeeded', details: { state } };
}
