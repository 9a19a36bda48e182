import { CoapError, type CoapResponse } from '@sallyport/coap-wire';
import { explained, provedUser, requireOwner, requireValid, secondsUntil } from './proof.js';
import { readSecBody, representationFor, requireText } from './representation.js';
import type { SecRequest } from './sec-context.js';

/** POST /oic/sec/account: the code of a user makes that user the owner of the device. It does not sign in. */
export function signUp(sec: SecRequest): Promise<CoapResponse> {
  return explained('cannot handle sign up', () => signUpNow(sec));
}

async function signUpNow(sec: SecRequest): Promise<CoapResponse> {
  const { request, context, connection, tokens } = sec;
  const represent = representationFor(request);
  const body = readSecBody(request);
  const di = requireText(body.di, 'invalid device id');
  // `authcode` is its name in older devices.
  const code = requireText(body.accesstoken ?? body.authcode, 'invalid authorization code');
  const provider = body.authprovider ?? '';
  if (provider === '') throw new CoapError('4.01', 'unknown authorization provider');
  const { access, accessToken, refreshToken } = await tokens.exchange(provider, code);
  const now = context.clock.now();
  requireValid(access, now);
  const owner = requireOwner(access);
  const { deviceId } = provedUser(sec, { access, di });
  await context.owners.claim({ deviceId, owner, remoteAddress: connection.remoteAddress });
  const expiresin = secondsUntil(access.expiresAt, now);
  return represent('2.04', {
    accesstoken: accessToken,
    uid: owner,
    refreshtoken: refreshToken,
    redirecturi: '',
    expiresin,
  });
}
