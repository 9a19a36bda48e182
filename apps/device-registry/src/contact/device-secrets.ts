import { createHash, randomBytes, randomInt, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { Injectable } from '@nestjs/common';
import { Semaphore } from '@sallyport/concurrency';
import { type DeviceId, deviceId, fingerprint } from '@sallyport/protocol';
import { type Operation, Store } from '@sallyport/store';
import { z } from 'zod';
import { type DeviceCredential, foldedName } from '../devices/device-record.js';
import { Refusal } from './refusal.js';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
// 238 bits. Nobody guesses it, so a plain digest of it is enough.
const secretLength = 40;
// An administrator may choose a password, and people choose badly. 16 MiB and some 40 ms for each guess.
const cost = { N: 16_384, r: 8, p: 1 };
const derivedBytes = 32;
// One for each core of a small gateway. The others wait.
const mostDerivations = 2;
const longestWaitMs = 2_000;

const derive = promisify<string, Buffer, number, typeof cost, Buffer>(scrypt);

const storedToken = z.strictObject({ deviceId });
const storedPassword = z.strictObject({ salt: z.base64(), digest: z.base64() });

/** A secret as the device gets it, once; what the record says of it; and what is written with the record. */
export interface NewSecret {
  readonly secret: string;
  readonly credential: DeviceCredential;
  readonly operations: readonly Operation[];
}

/** What a new secret is for. */
export interface SecretOrder {
  readonly deviceId: DeviceId;
  readonly kind: DeviceCredential['kind'];
  /** ISO 8601, UTC. */
  readonly issuedAt: string;
  /** A password that somebody has chosen; absent: 40 random letters and digits. */
  readonly chosen?: string;
}

/**
 * The secrets of devices, as digests. Keys: `secret/token/<id>` the device of a token, `secret/password/<name>` a
 * password. The id of a token is its digest.
 */
@Injectable()
export class DeviceSecrets {
  private readonly derivations = new Semaphore(mostDerivations);

  constructor(private readonly store: Store) {}

  /** Makes a secret. The record must get `credential` in the transaction of `operations`. */
  async make({ deviceId: name, kind, issuedAt, chosen }: SecretOrder): Promise<NewSecret> {
    const secret = chosen ?? Array.from({ length: secretLength }, () => alphabet[randomInt(alphabet.length)]).join('');
    const about = { issuedAt, isActive: true };
    if (kind === 'token') {
      const id = tokenId(secret);
      const operations = [{ put: tokenKey(id), value: { deviceId: name } }];
      return { secret, credential: { kind, id, ...about }, operations };
    }
    const salt = randomBytes(16);
    const digest = await this.digestOf(secret, salt);
    const value = { salt: salt.toString('base64'), digest: digest.toString('base64') };
    const id = fingerprint.parse(randomBytes(32).toString('hex'));
    return { secret, credential: { kind, id, ...about }, operations: [{ put: passwordKey(name), value }] };
  }

  /** What removes the secret of a device. */
  remove(name: DeviceId, { kind, id }: DeviceCredential): Operation[] {
    return [{ delete: kind === 'token' ? tokenKey(id) : passwordKey(name) }];
  }

  /** The device of a token, and the id that its record must have. */
  async ownerOf(token: string): Promise<{ readonly deviceId: DeviceId; readonly id: string } | undefined> {
    const id = tokenId(token);
    const stored = storedToken.safeParse((await this.store.get(tokenKey(id)))?.value).data;
    return stored && { deviceId: stored.deviceId, id };
  }

  /**
   * Whether this is the password of a device. An unknown device takes as long as a wrong password, so that nobody
   * learns which names there are.
   *
   * @throws Refusal `admission-unavailable`: too many passwords are being checked
   */
  async isPassword(name: DeviceId | undefined, password: string): Promise<boolean> {
    const entry = name === undefined ? undefined : await this.store.get(passwordKey(name));
    const stored = storedPassword.safeParse(entry?.value).data;
    const salt = stored === undefined ? Buffer.alloc(16) : Buffer.from(stored.salt, 'base64');
    const digest = await this.digestOf(password, salt);
    return stored !== undefined && timingSafeEqual(digest, Buffer.from(stored.digest, 'base64'));
  }

  private async digestOf(secret: string, salt: Buffer): Promise<Buffer> {
    try {
      await this.derivations.acquire(AbortSignal.timeout(longestWaitMs));
    } catch {
      throw new Refusal('admission-unavailable');
    }
    try {
      return await derive(secret, salt, derivedBytes, cost);
    } finally {
      this.derivations.release();
    }
  }
}

function tokenId(token: string) {
  return fingerprint.parse(createHash('sha256').update('sallyport-device-token\0').update(token).digest('hex'));
}

function tokenKey(id: string): string {
  return `secret/token/${id}`;
}

function passwordKey(name: DeviceId): string {
  return `secret/password/${foldedName(name)}`;
}
