import { CoapError, type CoapResponse, contentFormats } from '@sallyport/coap-wire';
import type { AccessToken } from '../authorization/authorization.js';
import { encodeCbor } from '../cbor/cbor.js';
import {
  denied,
  explained,
  identify,
  provedUser,
  proveSession,
  requireOwner,
  secondsUntil,
  verifyOf,
} from './proof.js';
import { readSecBody, representationFor, requireText, type SecBody } from './representation.js';
import type { SecRequest } from './sec-context.js';

/** POST /oic/sec/session: signs a device in or out. Without `login: true` it is out. */
export async function signInOrOut(sec: SecRequest): Promise<CoapResponse> {
  const body = await explained('cannot handle sign in', async () => readSession(sec));
  return body.login === true
    ? explained('cannot handle sign in', () => signIn(sec, body))
    : explained('cannot handle sign out', () => signOut(sec, body));
}

function readSession({ request }: SecRequest): SecBody {
  try {
    return readSecBody(request);
  } catch (error) {
    if (!(error instanceof CoapError)) throw error;
    throw new CoapError(error.code, `cannot decode body: ${error.diagnostic}`, { cause: error });
  }
}

async function signIn(sec: SecRequest, body: SecBody): Promise<CoapResponse> {
  const { context, link, request } = sec;
  const represent = representationFor(request);
  const di = requireText(body.di, 'invalid device id');
  const uid = requireText(body.uid, 'invalid user id');
  const accessToken = requireText(body.accesstoken, 'invalid access token');
  const access = await verifyOf(sec, { uid, accessToken });
  const owner = requireOwner(access);
  const user = provedUser(sec, { access, di });
  const now = context.clock.now();
  const sessionEndsAt = sessionEndOf(sec, access, now);
  if (!(await context.owners.isOwner({ deviceId: user.deviceId, owner }))) throw denied(user);
  await identify(sec, user);
  link.enter(user, sessionEndsAt);
  return represent('2.04', { expiresin: secondsUntil(sessionEndsAt, now) });
}

/** Before the token expires, so that the device can still sign off with it. */
function sessionEndOf({ context }: SecRequest, { expiresAt }: AccessToken, now: Date): Date | undefined {
  if (expiresAt === undefined) return undefined;
  const { tokenMarginMs } = context.rules();
  const end = new Date(expiresAt.getTime() - tokenMarginMs);
  if (end > now) return end;
  throw new CoapError('4.01', `access token will expire in less time than ${tokenMarginMs / 1000} s`);
}

async function signOut(sec: SecRequest, body: SecBody): Promise<CoapResponse> {
  const { link } = sec;
  const { signedIn } = link;
  const di = body.di || signedIn?.device;
  const uid = body.uid || signedIn?.owner;
  const hasToken = Boolean(body.accesstoken) || signedIn !== undefined;
  if (!di || !uid || !hasToken) throw new CoapError('4.00', 'invalid authorization context');
  const access = await proveSession(sec, { uid, accessToken: body.accesstoken });
  provedUser(sec, { access, di });
  link.leave();
  // plgd's gateway does not look at Accept here.
  return { code: '2.04', contentFormat: contentFormats.ocfCbor, payload: encodeCbor({}) };
}
