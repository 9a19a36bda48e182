import type { JsonValue, Store } from '@sallyport/store';
import { type CryptoKey, importJWK, type JWK, type KeyObject } from 'jose';
import { z } from 'zod';
import type { TokenKey } from './token-key.js';

/** SHA-256 in base64url (RFC 7638). Nobody has verified the header of a token that names a key. */
const thumbprint = /^[\w-]{43}$/;

const record = z.strictObject({ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string() });

/**
 * The public keys of all gateways of the site. A token that one has signed is good at every other. A key that nobody
 * announces any more is forgotten, so the store is asked each time.
 */
export class SharedKeys {
  constructor(private readonly store: Store) {}

  /** @param ttlSeconds from now. Tokens that it has signed must have expired by then. */
  async announce({ kid, publicJwk }: TokenKey, ttlSeconds: number): Promise<void> {
    await this.store.put(keyOf(kid), storable(publicJwk), { ttlSeconds });
  }

  /** Undefined: no gateway has such a key. */
  async find(kid: string): Promise<CryptoKey | KeyObject | Uint8Array | undefined> {
    if (!thumbprint.test(kid)) return undefined;
    const jwk = record.safeParse((await this.store.get(keyOf(kid)))?.value).data;
    return jwk === undefined ? undefined : importJWK(jwk, 'ES256');
  }
}

function keyOf(kid: string): string {
  return `token-keys/${kid}`;
}

function storable({ kty, crv, x, y }: JWK): JsonValue {
  return record.parse({ kty, crv, x, y });
}
