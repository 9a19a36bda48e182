import { CoapError, type CoapRequest, type CoapResponse } from '@sallyport/coap-wire';
import type { Clock } from '@sallyport/runtime';
import { representationFor } from './representation.js';

/** The time of day, for devices without a clock, which need it before they can judge a certificate. */
export function answerTime(request: CoapRequest, clock: Clock): CoapResponse {
  if (request.method !== 'GET') throw new CoapError('4.04', 'unsupported method');
  return representationFor(request)('2.05', { time: clock.now().toISOString() });
}
