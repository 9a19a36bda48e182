import { CoapError, type CoapResponse } from '@sallyport/coap-wire';
import { Authorization } from '../authorization/authorization.js';
import { SessionPresence } from './session-presence.js';
import { SignedInWork } from './signed-in-work.js';

/** Nobody issues tokens here. */
export class NoAuthorization extends Authorization {
  override verify(): Promise<never> {
    return Promise.reject(absent());
  }

  override exchange(): Promise<never> {
    return Promise.reject(absent());
  }

  override refresh(): Promise<never> {
    return Promise.reject(absent());
  }
}

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

function absent(): CoapError {
  return new CoapError('5.03', 'temporary error: no provider of access tokens');
}
