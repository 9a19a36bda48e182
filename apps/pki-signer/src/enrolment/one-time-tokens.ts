import { createHash, randomInt } from 'node:crypto';
import {
  canonicalDeviceId,
  type DeviceId,
  deviceId as deviceIdSchema,
  type EnrolmentTokenDescription,
  type EnrolmentTokenList,
  type EnrolmentTokenRequest,
  type EnrolmentTokenResponse,
  enrolmentSecretAlphabet,
  enrolmentSecretLength,
  enrolmentSecretOf,
  type Fingerprint,
  formatEnrolmentToken,
  ocfUuidOf,
  Problem,
} from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import type { Operation, Store } from '@sallyport/store';
import type { SignerAuditLog } from '../audit/signer-audit.js';
import type { Consumption } from '../issuance/certificate-issuer.js';
import {
  failureRecord,
  isSameDigest,
  notableFailedTries,
  secretDigestOf,
  type TokenRecord,
  tokenRecord,
  tokenStateAt,
} from './token-record.js';

export interface OneTimeTokensOptions {
  readonly store: Store;
  readonly audit: SignerAuditLog;
  readonly clock: Clock;
  /** Key of the digests. Without it, somebody who can read the store cannot test guesses. */
  readonly pepper: Buffer;
  /** `pki.token.validity`. */
  readonly defaultValiditySeconds: number;
  readonly rootFingerprint: () => Fingerprint;
}

/** A token that the caller has proved to hold. */
export interface PresentedToken {
  readonly record: TokenRecord;
  readonly revision: number;
}

/** The result of a check: a token that is right and may be used, or not. */
export type Attempt = { readonly isRight: true; readonly token: PresentedToken } | { readonly isRight: false };

const tokenPrefix = 'enrolment/';
// Compared with the secret when there is no token.
const noDigest = '0'.repeat(64);
// Names without a token share this many rows, so that guessed names cannot fill the store.
const decoyCount = 1024;
const retentionSeconds = 86_400;
const replayWindowMs = 10 * 60_000;
const mostTries = 20;
const longestShownName = 64;

/**
 * One-time tokens: an administrator makes them, an enrolment uses them up. One for each name; a new one replaces the
 * old.
 */
export class OneTimeTokens {
  constructor(private readonly options: OneTimeTokensOptions) {}

  /**
   * Makes a token. Its secret is shown only here.
   *
   * @throws Problem `invalid-request`: the name is that of an OCF device, with something that is no UUID
   */
  async create(request: EnrolmentTokenRequest, actor: string): Promise<EnrolmentTokenResponse> {
    const { clock, pepper, defaultValiditySeconds, audit, rootFingerprint } = this.options;
    const secret = newSecret();
    const { profile, reinstate, subjectAltNames } = request;
    const deviceId = enrollableName(request.deviceId);
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
      operations: [this.writeOf(keyOf(deviceId), record), { delete: failureKeyOf(deviceId) }],
      entries: [{ action: 'enrolment-created', actor, subject: deviceId, outcome: 'succeeded', details }],
    });
    const token = formatEnrolmentToken({ secret, caFingerprint: rootFingerprint() });
    return { deviceId, profile, token, expiresAt: record.expiresAt };
  }

  async list(page: { readonly cursor?: string | undefined; readonly limit: number }): Promise<EnrolmentTokenList> {
    const { limit, cursor: after } = page;
    const { entries, cursor } = await this.options.store.list(tokenPrefix, {
      limit,
      ...(after === undefined ? {} : { cursor: after }),
    });
    const enrollments = await Promise.all(entries.map(({ value }) => this.describe(tokenRecord.parse(value))));
    return cursor === undefined ? { enrollments } : { enrollments, cursor };
  }

  /** @throws Problem `not-found`: there is no token for this name */
  async withdraw(deviceId: DeviceId, actor: string): Promise<void> {
    if ((await this.options.store.get(keyOf(deviceId))) === undefined)
      throw new Problem('not-found', `There is no enrolment token for "${deviceId}".`);
    await this.options.audit.commit({
      operations: [{ delete: keyOf(deviceId) }, { delete: failureKeyOf(deviceId) }],
      entries: [{ action: 'enrolment-withdrawn', actor, subject: deviceId, outcome: 'succeeded', details: {} }],
    });
  }

  /**
   * Checks name and secret. A name without a token takes the same reads and the same digest as a wrong secret, so the
   * time of the answer does not show which names have a token.
   *
   * @param name as the client sent it
   * @param csrDigest SHA-256 of the CSR that the token shall be used for, hexadecimal
   */
  async present(name: string, password: string, csrDigest: string): Promise<Attempt> {
    const secretDigest = secretDigestOf(this.options.pepper, name, enrolmentSecretOf(password));
    const deviceId = deviceIdSchema.safeParse(name).data;
    // A name that is no device id is looked up too, under another key, so that it takes the same time.
    const entry = await this.options.store.get(deviceId === undefined ? decoyKeyOf(name) : keyOf(deviceId));
    const record = deviceId === undefined || entry === undefined ? undefined : tokenRecord.parse(entry.value);
    const isSame = isSameDigest(secretDigest, record?.secretDigest ?? noDigest);
    if (!isSame || entry === undefined || record === undefined || !this.isUsable(record, csrDigest))
      return { isRight: false };
    return { isRight: true, token: { record, revision: entry.revision } };
  }

  /**
   * Counts a wrong secret with one write, whether there is a token of this name or not. The count has its own row, so
   * that wrong guesses cannot disturb the transaction that uses the token.
   */
  async countFailure(name: string): Promise<void> {
    for (let tries = 0; tries < mostTries; tries += 1) if (await this.tryCountFailure(name)) return;
    throw new Problem('unavailable', 'Too many tries at once. Try again.', { retryAfterSeconds: 5 });
  }

  /** The condition and the change that use up a token, for the transaction that stores its certificate. */
  spending({ record, revision }: PresentedToken, csrDigest: string, fingerprint: Fingerprint): Consumption {
    const key = keyOf(record.deviceId);
    const use = { csrDigest, fingerprint, usedAt: this.options.clock.now().toISOString() };
    return { compares: [{ key, revision }], operations: [this.writeOf(key, { ...record, use })] };
  }

  /** Open, or just used by the same CSR: a client that lost the answer gets it again. */
  private isUsable(record: TokenRecord, csrDigest: string): boolean {
    const now = this.options.clock.now();
    if (tokenStateAt(record, now) === 'open') return true;
    const { use } = record;
    if (use === undefined || use.csrDigest !== csrDigest) return false;
    return now.getTime() - Date.parse(use.usedAt) < replayWindowMs;
  }

  private async tryCountFailure(name: string): Promise<boolean> {
    const { store, audit } = this.options;
    const { key, failures, revision } = await this.failuresOf(name);
    const failedTries = failures + 1;
    const compares = [{ key, revision }];
    const operations = [{ put: key, value: { failedTries }, ttlSeconds: retentionSeconds }];
    if (failedTries !== notableFailedTries) return (await store.transaction(compares, operations)).committed;
    const subject = JSON.stringify(name.slice(0, longestShownName));
    const guessed = {
      action: 'enrolment-guessed',
      actor: 'signer',
      subject,
      outcome: 'refused',
      details: { failedTries },
    } as const;
    return audit.commit({ compares, operations, entries: [guessed] });
  }

  /** A name with a token has its own row; the others share rows. Both are read, so that it takes the same time. */
  private async failuresOf(name: string) {
    const { store } = this.options;
    const deviceId = deviceIdSchema.safeParse(name).data;
    const decoyKey = decoyKeyOf(name);
    const [own, decoy, token] = await Promise.all([
      store.get(deviceId === undefined ? decoyKey : failureKeyOf(deviceId)),
      store.get(decoyKey),
      store.get(deviceId === undefined ? decoyKey : keyOf(deviceId)),
    ]);
    const hasToken = deviceId !== undefined && token !== undefined;
    const entry = hasToken ? own : decoy;
    const failures = failureRecord.safeParse(entry?.value).data?.failedTries ?? 0;
    return { key: hasToken ? failureKeyOf(deviceId) : decoyKey, failures, revision: entry?.revision ?? 0 };
  }

  private async describe(record: TokenRecord): Promise<EnrolmentTokenDescription> {
    const { secretDigest: _secret, use, ...shown } = record;
    const state = tokenStateAt(record, this.options.clock.now());
    const { failures: failedTries } = await this.failuresOf(record.deviceId);
    return { ...shown, failedTries, state, ...(use === undefined ? {} : { fingerprint: use.fingerprint }) };
  }

  /**
   * Kept for its whole validity and a day from now. The rest of its validity could be too short if the clock is wrong.
   */
  private writeOf(key: string, record: TokenRecord): Operation {
    const validityMs = Date.parse(record.expiresAt) - Date.parse(record.createdAt);
    return { put: key, value: record, ttlSeconds: Math.ceil(validityMs / 1000) + retentionSeconds };
  }
}

/** The name for a certificate: that of an OCF device in lower case. */
function enrollableName(deviceId: DeviceId): DeviceId {
  if (/^uuid:/i.test(deviceId) && ocfUuidOf(deviceId) === undefined)
    throw new Problem(
      'invalid-request',
      `The name "${deviceId}" begins as that of an OCF device, but no UUID follows. Write uuid: and 8-4-4-4-12 hexadecimal digits.`,
    );
  return canonicalDeviceId(deviceId);
}

function keyOf(deviceId: DeviceId): string {
  return `${tokenPrefix}${deviceId}`;
}

function failureKeyOf(deviceId: DeviceId): string {
  return `enrolment-failure/${deviceId}`;
}

function decoyKeyOf(name: string): string {
  const bucket = createHash('sha256').update(name).digest().readUInt32BE() % decoyCount;
  return `enrolment-decoy/${bucket}`;
}

/** 24 random letters, each equally likely: 120 bits. */
function newSecret(): string {
  const letters = Array.from({ length: enrolmentSecretLength }, () =>
    enrolmentSecretAlphabet.charAt(randomInt(enrolmentSecretAlphabet.length)),
  );
  return letters.join('');
}
