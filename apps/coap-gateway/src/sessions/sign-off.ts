import { CoapError, type CoapRequest, type CoapResponse } from '@sallyport/coap-wire';
import { registryDeadlineMs } from '@sallyport/entrance';
import { explained, provedUser, proveSession, requireOwner } from './proof.js';
import { requireText } from './representation.js';
import type { SecRequest } from './sec-context.js';

// To ask the registry, and to deliver the answer.
const lastAnswerMs = registryDeadlineMs + 1_000;

/** DELETE /oic/sec/account: the device has no owner any more, and its certificates of this site are revoked. */
export function signOff(sec: SecRequest): Promise<CoapResponse> {
  return explained('cannot handle sign off', () => signOffNow(sec));
}

async function signOffNow(sec: SecRequest): Promise<CoapResponse> {
  const { request, context, connection, link } = sec;
  const query = formOf(request);
  const { signedIn } = link;
  const di = requireText(query.get('di') || signedIn?.device, 'invalid device id');
  const uid = requireText(query.get('uid') || signedIn?.owner, 'invalid user id');
  const accessToken = query.get('accesstoken');
  if (signedIn === undefined) requireText(accessToken, 'invalid access token');
  const access = await proveSession(sec, { uid, accessToken });
  const owner = requireOwner(access);
  const { device, deviceId } = provedUser(sec, { access, di });
  if (signedIn?.device === device) {
    // A command that resets the device must not cross its sign-off.
    await context.work.settle(signedIn, { deadlineMs: context.rules().settleMs });
    // Before it is given up: the next owner must find nothing of it. And no change of the owner may cut this answer off.
    link.leave();
    await context.work.forget(signedIn);
  }
  // The registry revokes the certificate of this connection, and that may be known here before its answer.
  connection.endGently(lastAnswerMs);
  await context.owners.release({ deviceId, owner, remoteAddress: connection.remoteAddress });
  return { code: '2.02' };
}

/** Each Uri-Query is a part of a form. */
function formOf({ query }: CoapRequest): URLSearchParams {
  for (const part of query) requireDecodable(part);
  return new URLSearchParams(query.join('&'));
}

function requireDecodable(part: string): void {
  try {
    decodeURIComponent(part);
  } catch (cause) {
    throw new CoapError('4.02', 'invalid URL escape', { cause });
  }
}
