import type { KeyObject } from 'node:crypto';

/** Curves of CA keys: P-384 for the root, P-256 for CAs that sign often. */
export type CaCurve = 'P-256' | 'P-384';

/** A CA key, usable as long as the process runs. To print it shows neither key. */
export interface SigningKey {
  /** Such as `device-1`: the id of the CA it belongs to. */
  readonly id: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** Stores CA keys. Every key it gives out has passed a self-test: its private key signs, its public key verifies. */
export abstract class KeyStore {
  /**
   * The key of this id. If there is none, it is made and is on disk when this resolves. Several callers at the same
   * time get the same key. So a hierarchy that was half made is made again with the same keys.
   */
  abstract openOrCreate(id: string, curve: CaCurve): Promise<SigningKey>;

  /** @throws Problem `signing-key-unavailable`: no such key, or it cannot be decrypted */
  abstract open(id: string): Promise<SigningKey>;

  /**
   * Stores a key from outside.
   *
   * @throws Problem `conflict`: another key has this id
   */
  abstract import(id: string, privateKey: KeyObject): Promise<SigningKey>;
}
