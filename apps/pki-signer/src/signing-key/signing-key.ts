import type { KeyObject } from 'node:crypto';

/** Curves of CA keys: P-384 for the root, P-256 where signatures are many. */
export type CaCurve = 'P-256' | 'P-384';

/** A CA key, usable for the life of the process. Printing it shows neither key. */
export interface SigningKey {
  /** Such as `device-1`: the id of the CA it belongs to. */
  readonly id: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** Where CA keys live. Every key handed out has proved, with a signature, that its two halves belong together. */
export abstract class KeyStore {
  /**
   * The key of this id; made, and durable, when there is none. Of several callers at once all get the same key, so a
   * hierarchy whose making was cut short is made again with the same keys.
   */
  abstract openOrCreate(id: string, curve: CaCurve): Promise<SigningKey>;

  /** @throws Problem `signing-key-unavailable`: no such key, or it cannot be decrypted */
  abstract open(id: string): Promise<SigningKey>;

  /**
   * Takes a key in from outside.
   *
   * @throws Problem `conflict`: another key has this id
   */
  abstract import(id: string, privateKey: KeyObject): Promise<SigningKey>;
}
