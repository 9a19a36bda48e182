import type { CoapResponse } from '@sallyport/coap-wire';
import { denied, explained, identify, provedUser, requireOwner, requireValid, secondsUntil } from './proof.js';
import { readSecBody, representationFor, requireText, type SecBody } from './representation.js';
import type { SecRequest } from './sec-context.js';

const longestShownId = 64;

/** POST /oic/sec/tokenrefresh: gives the device a new token. It does not sign in; a session that runs goes on with it. */
export async function refreshToken(sec: SecRequest): Promise<CoapResponse> {
  const represent = await explained('cannot handle refresh token', async () => representationFor(sec.request));
  const body = await explained('cannot handle refresh token for unknown', async () => readSecBody(sec.request));
  const di = (body.di || 'unknown').slice(0, longestShownId);
  return explained(`cannot handle refresh token for ${di}`, async () => represent('2.04', await refreshed(sec, body)));
}

async function refreshed(sec: SecRequest, body: SecBody): Promise<object> {
  const { context, tokens, link } = sec;
  const di = requireText(body.di, 'invalid deviceID');
  const token = requireText(body.refreshtoken, 'invalid refreshToken');
  requireText(body.uid, 'invalid userId');
  const { access, accessToken, refreshToken: next } = await tokens.refresh(body.authprovider || undefined, token);
  const now = context.clock.now();
  requireValid(access, now);
  const owner = requireOwner(access);
  const user = provedUser(sec, { access, di });
  if (!(await context.owners.isOwner({ deviceId: user.deviceId, owner }))) throw denied(user);
  if (link.signedIn?.isOf(user) === true) {
    await identify(sec, user);
    link.renew(user);
  }
  return { accesstoken: accessToken, refreshtoken: next, expiresin: secondsUntil(access.expiresAt, now) };
}
