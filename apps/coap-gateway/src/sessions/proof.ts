import { CoapError } from '@sallyport/coap-wire';
import { type DeviceId, deviceOwner, type OcfUuid, ocfDeviceId, ocfUuidOf, passingRefusals } from '@sallyport/protocol';
import type { Connection } from '@sallyport/tls';
import type { AccessToken } from '../authorization/authorization.js';
import { resolveDeviceId } from '../authorization/resolve-device-id.js';
import type { ProvedUser, SecRequest } from './sec-context.js';

// A token without an end; the last year that a date can be written in with four digits.
const never = new Date('9999-12-31T00:00:00Z');

/** The name of a certificate that the peer of a connection proved; undefined without one. */
export function certifiedName({ peer }: Connection): DeviceId | undefined {
  return peer?.credential.kind === 'certificate' ? peer.deviceId : undefined;
}

/**
 * Which device it is, and what the registry calls it.
 *
 * @throws CoapError as `resolveDeviceId`
 */
export function provedUser(
  { connection, context }: SecRequest,
  { access, di }: { readonly access: AccessToken; readonly di: string },
): ProvedUser {
  const name = certifiedName(connection);
  const certificate = name === undefined ? undefined : ocfUuidOf(name);
  const evidence = { claim: access.deviceIdClaim, certificate, requested: di };
  const rules = context.rules();
  const claimName = access.deviceIdClaimName ?? rules.claimName;
  // A certificate that was proved binds, also when none is required any more.
  const isCertificateRequired = rules.isCertificateRequired || certificate !== undefined;
  const device = resolveDeviceId({ ...rules, claimName, isCertificateRequired }, evidence);
  return { access, device, deviceId: nameOf(device, name) };
}

/** As in the certificate, where that names the device, so that both mean one record of the registry. */
function nameOf(device: OcfUuid, certified: DeviceId | undefined): DeviceId {
  return certified !== undefined && ocfUuidOf(certified) === device ? certified : ocfDeviceId(device);
}

/**
 * Verifies a token, and that it is one of this user.
 *
 * @throws CoapError `4.01`: it is not; as `Authorization.verify`
 */
export async function verifyOf(
  { context }: SecRequest,
  { uid, accessToken }: { readonly uid: string; readonly accessToken: string },
): Promise<AccessToken> {
  const access = await context.authorization.verify(accessToken);
  requireUser(access, uid);
  return access;
}

/** @throws CoapError `4.01`: the token is one of another user */
function requireUser({ owner }: AccessToken, uid: string): void {
  if (owner !== uid) throw new CoapError('4.01', "the owner of the access token doesn't match userID");
}

/** @throws CoapError `4.01`: the owner has no name that the registry can keep */
export function requireOwner({ owner }: AccessToken): string {
  const known = deviceOwner.safeParse(owner).data;
  if (known === undefined) throw new CoapError('4.01', 'cannot determine owner');
  return known;
}

/** @throws CoapError `4.01`: the token has expired */
export function requireValid({ expiresAt }: AccessToken, now: Date): void {
  if (expiresAt !== undefined && !(expiresAt > now)) throw new CoapError('4.01', 'expired access token');
}

/** Whole seconds from now; -1: never. */
export function secondsUntil(moment: Date | undefined, now: Date): number {
  return moment === undefined ? -1 : Math.max(0, Math.floor((moment.getTime() - now.getTime()) / 1000));
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

/**
 * Makes the device known to the listener where it has no certificate, so that it is cut when the registry locks it, and
 * when its token expires.
 */
export async function identify({ connection, context }: SecRequest, user: ProvedUser): Promise<void> {
  if (connection.peer?.credential.kind === 'certificate') return;
  const { deviceId, access } = user;
  const decision = await connection.identify({ deviceId, issuer: access.issuer, expiresAt: access.expiresAt ?? never });
  if (decision.outcome === 'admitted') {
    // It may have got another owner while the registry was asked, when no session was there to end.
    if (await context.owners.isOwner({ deviceId, owner: access.owner })) return;
    throw denied(user);
  }
  if (passingRefusals.has(decision.reason))
    throw new CoapError('5.03', 'temporary error: the device cannot be admitted now');
  throw denied(user);
}

/** The device is not one of this user. */
export function denied({ device }: ProvedUser): CoapError {
  return new CoapError('4.01', `access to device('${device}') denied`);
}

/** Says what was tried before what went wrong. An outage says so first. */
export async function explained<Answer>(attempt: string, work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CoapError)) throw error;
    const isOutage = error.diagnostic.startsWith(outage);
    const reason = isOutage ? error.diagnostic.slice(outage.length) : error.diagnostic;
    throw new CoapError(error.code, `${isOutage ? outage : ''}${attempt}: ${reason}`, { cause: error });
  }
}

const outage = 'temporary error: ';
