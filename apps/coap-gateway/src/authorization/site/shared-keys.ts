import { BoundedMap } from '@sallyport/concurrency';
import type { JsonValue, Store } from '@sallyport/store';
import { type CryptoKey, importJWK, type JWK, type KeyObject } from 'jose';
import { z } from 'zod';
import type { TokenKey } from './token-key.js';

const mostKnown = 64;
// A key is announced every hour. When its gateway is gone for good, its tokens have expired long before this.
const ttlSeconds = 7 * 24 * 3600;

/** SHA-256 in base64url (RFC 7638). Nobody has verified the header of a token that names a key. */
const thumbprint = /^[\w-]{43}$/;

const record = z.strictObject({ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string() });

/** The public keys of all gateways of the site. A token that one has signed is good at every other. */
export class SharedKeys {
  private readonly known = new BoundedMap<string, CryptoKey | KeyObject | Uint8Array>(mostKnown);

  constructor(private readonly store: Store) {}

  async announce({ kid, publicJwk }: TokenKey): Promise<void> {
    await this.store.put(keyOf(kid), storable(publicJwk), { ttlSeconds });
  }

  /** Undefined: no gateway has such a key. */
  async find(kid: string): Promise<CryptoKey | KeyObject | Uint8Array | undefined> {
    if (!thumbprint.test(kid)) return undefined;
    const known = this.known.get(kid);
    if (known !== undefined) return known;
    const jwk = record.safeParse((await this.store.get(keyOf(kid)))?.value).data;
    if (jwk === undefined) return undefined;
    const key = await importJWK(jwk, 'ES256');
    this.known.set(kid, key);
    return key;
  }
}

function keyOf(kid: string): string {
  return `token-keys/${kid}`;
}

function storable({ kty, crv, x, y }: JWK): JsonValue {
  return record.parse({ kty, crv, x, y });
}
