import { CoapError, type CoapResponse, contentFormats } from '@sallyport/coap-wire';
import { passingRefusals } from '@sallyport/protocol';
import type { AccessToken } from '../authorization/authorization.js';
import { encodeCbor } from '../cbor/cbor.js';
import { explained, provedUser, requireOwner, requireUser, requireValid, secondsUntil, verifyOf } from './proof.js';
import { readSecBody, representationFor, requireText, type SecBody } from './representation.js';
import type { ProvedUser, SecRequest } from './sec-context.js';

// A token without an end; the last year that a date can be written in with four digits.
const never = new Date('9999-12-31T00:00:00Z');

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

/**
 * Makes the device known to the listener where it has no certificate, so that it is cut when the registry locks it, and
 * when its token expires.
 */
export async function identify(sec: SecRequest, user: ProvedUser): Promise<void> {
  const { connection } = sec;
  if (connection.peer?.credential.kind === 'certificate') return;
  const { deviceId, access } = user;
  const decision = await connection.identify({ deviceId, issuer: access.issuer, expiresAt: access.expiresAt ?? never });
  if (decision.outcome === 'admitted') {
    // It may have got another owner while the registry was asked, when no session was there to end.
    if (await sec.context.owners.isOwner({ deviceId, owner: access.owner })) return;
    throw denied(user);
  }
  if (passingRefusals.has(decision.reason))
    throw new CoapError('5.03', 'temporary error: the device cannot be admitted now');
  throw denied(user);
}

export function denied({ device }: ProvedUser): CoapError {
  return new CoapError('4.01', `access to device('${device}') denied`);
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
  return { code: '2.04', contentFormat: contentFormats.ocfCbor, payload: encodeCbor({}) };
}

/** The token of the request, or else the one the device signed in with, while it is good. */
export async function proveSession(
  sec: SecRequest,
  { uid, accessToken }: { readonly uid: string; readonly accessToken: string | null | undefined },
): Promise<AccessToken> {
  const { signedIn } = sec.link;
  if (accessToken || signedIn === undefined) return verifyOf(sec, { uid, accessToken: accessToken ?? '' });
  requireValid(signedIn.access, sec.context.clock.now());
  requireUser(signedIn.access, uid);
  return signedIn.access;
}
