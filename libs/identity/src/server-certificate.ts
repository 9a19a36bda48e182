import { createPrivateKey, type KeyObject } from 'node:crypto';
import { dirname } from 'node:path';
import { holdRoom, makeFolder, readTextIfPresent, writeFileAtomic } from '@sallyport/files';
import { canonicalHost, type DeviceId, Problem } from '@sallyport/protocol';
import {
  buildCertificateRequest,
  type Certificate,
  certificatesFromPem,
  isCertificateOf,
  isValidAt,
  pemFromDer,
  type SubjectAltName,
  splitAtCertificates,
} from '@sallyport/x509';
import { newPrivateKey, privateKeyPem } from './private-key.js';
import { needsRenewal } from './renewal-due.js';
import { isSilence, renewalBackOffMs, silenceBackOffMs } from './renewal-schedule.js';

export interface ServerCertificateOptions {
  /** The file with key and chain, mode 0600. Both are in one file, so that they change together. */
  readonly path: string;
  readonly commonName: DeviceId;
  readonly names: () => readonly SubjectAltName[];
  readonly clock: { now(): Date };
  /** Issues a certificate for a request (PKCS#10, DER). Returns DER, leaf first, without the root. */
  readonly issue: (request: Buffer) => Promise<readonly Buffer[]>;
  /** Another reason to make it anew than its age and its names. */
  readonly isObsolete?: (certificate: Certificate) => boolean | Promise<boolean>;
  /** Milliseconds of a clock that nobody can set; that of the machine when absent. */
  readonly elapsedMs?: () => number;
}

/** What a TLS listener shows. */
export interface ServerIdentity {
  /** PEM, leaf first. */
  readonly certificatePem: string;
  readonly keyPem: string;
}

// Key and chain. A chain has three certificates of one or two kilobytes.
const roomBytes = 16_384;

const longestWithoutMs = 60_000;
// Less is a clock that is corrected slowly.
const jumpToleranceMs = 60_000;

/** A wait after a failed try; milliseconds. */
interface Retry {
  readonly afterMs: number;
  /** When it began, by a clock that nobody can set. */
  readonly sinceMs: number;
  /** The same by the time of day. */
  readonly clockMs: number;
}

/** The certificate that a service shows at its entrances, and which its site issues without anybody asking for it. */
export class ServerCertificate {
  private current: ServerIdentity | undefined;
  private failures = 0;
  private retry: Retry | undefined;
  private readonly listeners = new Set<() => void | Promise<void>>();

  constructor(private readonly options: ServerCertificateOptions) {}

  /** @throws Problem `unavailable`: `renewIfDue` has not run yet */
  get identity(): ServerIdentity {
    if (this.current !== undefined) return this.current;
    throw new Problem('unavailable', 'The service has no server certificate yet.', { retryAfterSeconds: 1 });
  }

  /** Whether there is a certificate to show, expired or not. */
  get hasIdentity(): boolean {
    return this.current !== undefined;
  }

  /**
   * Calls back when there is a new certificate; the entrance then puts it in force.
   *
   * @returns ends the calls
   */
  onRenewed(listener: () => void | Promise<void>): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /**
   * Makes a certificate when there is none, when a third of its life is left, when its names have changed, or when it is
   * obsolete. After each failure it waits longer: up to an hour, or a minute while there is no valid certificate to show.
   * It does not wait when the clock was set meanwhile, because that may have been the reason.
   */
  async renewIfDue(): Promise<void> {
    this.current ??= identityFrom(await readTextIfPresent(this.options.path));
    if (this.current !== undefined && !(await this.isDue(certificateOf(this.current)))) return;
    if (this.mustWait()) return;
    this.current = await this.makeOrBackOff();
    for (const listener of this.listeners) await listener();
  }

  private async makeOrBackOff(): Promise<ServerIdentity> {
    try {
      const made = await this.make();
      this.failures = 0;
      this.retry = undefined;
      return made;
    } catch (error) {
      const afterMs = this.retryAfterMs(error);
      this.retry = { afterMs, sinceMs: this.elapsedMs(), clockMs: this.options.clock.now().getTime() };
      this.failures += 1;
      throw error;
    }
  }

  private mustWait(): boolean {
    if (this.retry === undefined) return false;
    const { afterMs, sinceMs, clockMs } = this.retry;
    const elapsedMs = this.elapsedMs() - sinceMs;
    const jumpMs = this.options.clock.now().getTime() - clockMs - elapsedMs;
    return elapsedMs < afterMs && Math.abs(jumpMs) <= jumpToleranceMs;
  }

  private retryAfterMs(error: unknown): number {
    // The signer may start later than we do.
    if (isSilence(error)) return silenceBackOffMs(this.failures, Math.random());
    const ownMs = renewalBackOffMs(this.failures, Math.random());
    return this.hasValidIdentity ? ownMs : Math.min(ownMs, longestWithoutMs);
  }

  private get hasValidIdentity(): boolean {
    if (this.current === undefined) return false;
    return isValidAt(certificateOf(this.current), this.options.clock.now());
  }

  private elapsedMs(): number {
    return this.options.elapsedMs?.() ?? performance.now();
  }

  private async isDue(certificate: Certificate): Promise<boolean> {
    const { clock, isObsolete } = this.options;
    if (needsRenewal(certificate, clock.now()) || !this.hasNames(certificate)) return true;
    return (await isObsolete?.(certificate)) ?? false;
  }

  private hasNames({ subjectAltNames }: Certificate): boolean {
    const held = subjectAltNames.filter(({ type }) => type !== 'uri').map(({ value }) => canonicalHost(value));
    return JSON.stringify(held) === JSON.stringify(this.options.names().map(({ value }) => value));
  }

  private async make(): Promise<ServerIdentity> {
    const { path } = this.options;
    const privateKey = await newPrivateKey();
    await makeFolder(dirname(path), 0o700);
    // Issue nothing that cannot be stored: every certificate stays in inventory, registry and audit log.
    const room = await holdRoom(path, roomBytes);
    const ders = await this.issueFor(privateKey).finally(() => room.release());
    const certificatePem = ders.map((der) => pemFromDer('CERTIFICATE', der)).join('');
    const keyPem = privateKeyPem(privateKey);
    await writeFileAtomic(path, `${keyPem}${certificatePem}`, 0o600);
    return { certificatePem, keyPem };
  }

  private async issueFor(privateKey: KeyObject): Promise<readonly Buffer[]> {
    const { commonName, names, issue } = this.options;
    return await issue(buildCertificateRequest({ privateKey, commonName, subjectAltNames: names() }));
  }
}

/** Reads key and certificate from the file; undefined when they do not belong together. */
function identityFrom(pem: string | undefined): ServerIdentity | undefined {
  const parts = splitAtCertificates(pem ?? '');
  if (parts === undefined) return undefined;
  const identity = { keyPem: parts.before, certificatePem: parts.certificates };
  try {
    return isCertificateOf(createPrivateKey(identity.keyPem), certificateOf(identity)) ? identity : undefined;
  } catch {
    // The file is damaged. Nothing else depends on it, so a new certificate mends it.
    return undefined;
  }
}

function certificateOf({ certificatePem }: ServerIdentity): Certificate {
  const [leaf] = certificatesFromPem(certificatePem);
  if (leaf !== undefined) return leaf;
  throw new Problem('config-invalid', 'The file holds no certificate.');
}
