import type { Signer } from './signer.js';

/** The signer as a Nest token. */
export class OpenedSigner {
  constructor(readonly signer: Signer) {}
}
