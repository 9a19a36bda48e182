import { CoapError, type CoapResponse } from '@sallyport/coap-wire';
import { SessionPresence } from './session-presence.js';
import { SignedInWork } from './signed-in-work.js';

/** Devices publish nothing here. */
export class NoWork extends SignedInWork {
  override begin(): void {}

  override answer(): Promise<CoapResponse> {
    return Promise.reject(new CoapError('4.04', 'nothing is served here'));
  }

  override async settle(): Promise<void> {}

  override async forget(): Promise<void> {}
}

/** Nobody asks who is online. */
export class NoPresence extends SessionPresence {
  override online(): void {}

  override offline(): void {}
}
