import { createHash, randomBytes, randomInt } from 'node:crypto';
import {
  type DeviceId,
  deviceId as deviceIdSchema,
  type EnrollmentDescription,
  type EnrollmentList,
  type EnrollmentRequest,
  type EnrollmentResponse,
  enrolmentSecretAlphabet,
  enrolmentSecretLength,
  enrolmentSecretOf,
  type Fingerprint,
  formatEnrolmentToken,
  Problem,
} from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import type { Compare, Operation, Store } from '@sallyport/store';
import type { SignerAuditLog } from '../audit/signer-audit.js';
import {
  isSameDigest,
  mostFailedTries,
  secretDigestOf,
  type TokenRecord,
  tokenRecord,
  tokenStateAt,
} from './token-record.js';

export interface OneTimeTokensOptions {
  readonly store: Store;
  readonly audit: SignerAuditLog;
  readonly clock: Clock;
  /** Keys the digests; whoever reads the store alone can try no secret. */
  readonly pepper: Buffer;
  /** `pki.token.validity`. */
  readonly defaultValiditySeconds: number;
  readonly rootFingerprint: () => Fingerprint;
}

/** A token somebody proved to hold. */
export interface PresentedToken {
  readonly record: TokenRecord;
  readonly revision: number;
}

/** The row a try is counted in: the token's, or, for a name without one, a decoy's. */
interface Attempt extends PresentedToken {
  readonly key: string;
  readonly isDecoy: boolean;
}

const tokenPrefix = 'enrolment/';
// Names nobody has a token for share this many rows, so that guessing names cannot fill the store.
const decoyCount = 1024;
const retentionSeconds = 86_400;
const replayWindowMs = 10 * 60_000;
const mostTries = 20;
const decoyName = deviceIdSchema.parse('decoy');
const longestShownName = 64;

/** The one-time tokens: made for an administrator, spent by an enrolment. One a name; a new one replaces the old. */
export class OneTimeTokens {
  constructor(private readonly options: OneTimeTokensOptions) {}

  /** Makes a token; this is the only time it is seen. */
  async create(request: EnrollmentRequest, actor: string): Promise<EnrollmentResponse> {
    const { clock, pepper, defaultValiditySeconds, audit, rootFingerprint } = this.options;
    const secret = newSecret();
    const { deviceId, profile, reinstate, subjectAltNames } = request;
    const createdAt = clock.now();
    const expiresAt = new Date(createdAt.getTime() + (request.validitySeconds ?? defaultValiditySeconds) * 1000);
    const record: TokenRecord = {
      deviceId,
      profile,
      reinstate,
      subjectAltNames,
      secretDigest: secretDigestOf(pepper, deviceId, secret),
      createdAt: createdAt.toISOString(),
      expiresAt: expiresAt.toISOString(),
      failedTries: 0,
    };
    const details = { profile, reinstate, expiresAt: record.expiresAt };
    await audit.commit({
      operations: [this.writeOf(keyOf(deviceId), record)],
      entries: [{ action: 'enrolment-created', actor, subject: deviceId, outcome: 'succeeded', details }],
    });
    const token = formatEnrolmentToken({ secret, caFingerprint: rootFingerprint() });
    return { deviceId, profile, token, expiresAt: record.expiresAt };
  }

  async list(page: { readonly cursor?: string | undefined; readonly limit: number }): Promise<EnrollmentList> {
    const { limit, cursor: after } = page;
    const { entries, cursor } = await this.options.store.list(tokenPrefix, {
      limit,
      ...(after === undefined ? {} : { cursor: after }),
    });
    const enrollments = entries.map(({ value }) => this.describe(tokenRecord.parse(value)));
    return cursor === undefined ? { enrollments } : { enrollments, cursor };
  }

  /** @throws Problem `not-found`: there is no token for this name */
  async withdraw(deviceId: DeviceId, actor: string): Promise<void> {
    if ((await this.options.store.get(keyOf(deviceId))) === undefined)
      throw new Problem('not-found', `There is no enrolment token for "${deviceId}".`);
    await this.options.audit.commit({
      operations: [{ delete: keyOf(deviceId) }],
      entries: [{ action: 'enrolment-withdrawn', actor, subject: deviceId, outcome: 'succeeded', details: {} }],
    });
  }

  /**
   * Checks name and secret. A name without a token costs the same reads, the same digest and the same write as a
   * wrong secret, and gets the same answer.
   *
   * @param name as the client sent it
   * @param csrDigest SHA-256 of the request the token is to pay for, hexadecimal
   * @throws Problem `credentials-invalid`: no token, wrong secret, spent by another request, locked or expired
   */
  async present(name: string, password: string, csrDigest: string): Promise<PresentedToken> {
    const secretDigest = secretDigestOf(this.options.pepper, name, enrolmentSecretOf(password));
    const attempt = await this.attemptFor(name);
    const isRight = isSameDigest(secretDigest, attempt.record.secretDigest) && !attempt.isDecoy;
    if (isRight && this.isUsable(attempt.record, csrDigest)) return attempt;
    await this.countFailure(name, attempt);
    throw new Problem('credentials-invalid', 'Device id or one-time password are wrong, or the password is used up.');
  }

  /** The condition and the change that spend a token inside the transaction it pays for. */
  spending({ record, revision }: PresentedToken, csrDigest: string, fingerprint: Fingerprint): [Compare, Operation] {
    const key = keyOf(record.deviceId);
    const use = { csrDigest, fingerprint, usedAt: this.options.clock.now().toISOString() };
    return [{ key, revision }, this.writeOf(key, { ...record, use })];
  }

  /** Open, or spent a moment ago by the same request: a client that lost the answer gets it again. */
  private isUsable(record: TokenRecord, csrDigest: string): boolean {
    const now = this.options.clock.now();
    if (tokenStateAt(record, now) === 'open') return true;
    const { use } = record;
    if (use === undefined || use.csrDigest !== csrDigest) return false;
    return now.getTime() - Date.parse(use.usedAt) < replayWindowMs;
  }

  /** Reads token and decoy alike, so that the time it takes does not tell which of them there is. */
  private async attemptFor(name: string): Promise<Attempt> {
    const { store } = this.options;
    const decoyKey = decoyKeyOf(name);
    const tokenKey = deviceIdSchema.safeParse(name).success ? `${tokenPrefix}${name}` : decoyKey;
    const [token, decoy] = await Promise.all([store.get(tokenKey), store.get(decoyKey)]);
    if (token !== undefined && tokenKey !== decoyKey)
      return { key: tokenKey, record: tokenRecord.parse(token.value), revision: token.revision, isDecoy: false };
    const record = decoy === undefined ? this.newDecoy() : tokenRecord.parse(decoy.value);
    return { key: decoyKey, record, revision: decoy?.revision ?? 0, isDecoy: true };
  }

  private async countFailure(name: string, first: Attempt): Promise<void> {
    let attempt = first;
    for (let tries = 0; tries < mostTries; tries += 1) {
      if (await this.tryCountFailure(name, attempt)) return;
      attempt = await this.attemptFor(name);
    }
    throw new Problem('unavailable', 'Too many tries at once. Try again.', { retryAfterSeconds: 5 });
  }

  private async tryCountFailure(name: string, { key, record, revision }: Attempt): Promise<boolean> {
    const { store, audit } = this.options;
    const failedTries = record.failedTries + 1;
    const compares = [{ key, revision }];
    const operations = [this.writeOf(key, { ...record, failedTries })];
    // A spent token has nothing left to lock.
    if (failedTries !== mostFailedTries || record.use !== undefined)
      return (await store.transaction(compares, operations)).committed;
    const subject = JSON.stringify(name.slice(0, longestShownName));
    const lock = {
      action: 'enrolment-locked',
      actor: 'signer',
      subject,
      outcome: 'refused',
      details: { failedTries },
    } as const;
    return audit.commit({ compares, operations, entries: [lock] });
  }

  private newDecoy(): TokenRecord {
    const { clock } = this.options;
    const createdAt = clock.now().toISOString();
    const secretDigest = randomBytes(32).toString('hex');
    const unused = { profile: 'device' as const, reinstate: false, subjectAltNames: [], failedTries: 0 };
    return { deviceId: decoyName, ...unused, secretDigest, createdAt, expiresAt: createdAt };
  }

  private describe(record: TokenRecord): EnrollmentDescription {
    const { secretDigest: _secret, use, ...shown } = record;
    const state = tokenStateAt(record, this.options.clock.now());
    return { ...shown, state, ...(use === undefined ? {} : { fingerprint: use.fingerprint }) };
  }

  private writeOf(key: string, record: TokenRecord): Operation {
    const remainingMs = Date.parse(record.expiresAt) - this.options.clock.now().getTime();
    return { put: key, value: record, ttlSeconds: Math.ceil(Math.max(remainingMs, 0) / 1000) + retentionSeconds };
  }
}

function keyOf(deviceId: DeviceId): string {
  return `${tokenPrefix}${deviceId}`;
}

function decoyKeyOf(name: string): string {
  const bucket = createHash('sha256').update(name).digest().readUInt32BE() % decoyCount;
  return `enrolment-decoy/${bucket}`;
}

/** 24 letters drawn evenly: 120 bits. */
function newSecret(): string {
  const letters = Array.from({ length: enrolmentSecretLength }, () =>
    enrolmentSecretAlphabet.charAt(randomInt(enrolmentSecretAlphabet.length)),
  );
  return letters.join('');
}
