import type { CoapRequest, CoapResponse } from '@sallyport/coap-wire';
import type { DeviceSession } from './device-session.js';

/**
 * What devices do once they are signed in: publish, read others, be observed. The sessions know no more of it than this;
 * the resources implement it.
 */
export abstract class SignedInWork {
  /** Called once for each session, after the answer to the sign-in is on its way. Never throws. */
  abstract begin(session: DeviceSession): void;
  /** Answers every request of a signed-in device but those of sign up, in, out, off, refresh and time. */
  abstract answer(session: DeviceSession, request: CoapRequest, signal: AbortSignal): Promise<CoapResponse>;
  /** Resolves when no command runs on the device any more, and starts no new one: before a sign-off. */
  abstract settle(session: DeviceSession, options: { readonly deadlineMs: number }): Promise<void>;
  /** Forgets everything that is kept of a device that was signed off. */
  abstract forget(session: DeviceSession): Promise<void>;
}
