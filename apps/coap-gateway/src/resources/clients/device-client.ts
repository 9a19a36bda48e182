import { Injectable } from '@nestjs/common';
import {
  CoapError,
  type CoapRequest,
  type CoapResponse,
  etagOf,
  type ResponseCode,
  responseCodes,
} from '@sallyport/coap-wire';
import { type CommandKind, ocfDeviceId } from '@sallyport/protocol';
import { ServiceContext } from '@sallyport/runtime';
import { DeviceOwners } from '../../sessions/device-owners.js';
import type { DeviceSession } from '../../sessions/device-session.js';
import { acceptedFormat } from '../../sessions/representation.js';
import { type CommandOutcome, contentOfStored, type StoredBody, storedBodyOf } from '../commands/command.js';
import { Commands, type Wait } from '../commands/commands.js';
import { LinkDirectory } from '../links/link-directory.js';
import { contentOf } from '../values/content.js';
import { type KeptValue, KeptValues } from '../values/kept-values.js';
import { Observers } from './observers.js';
import { type Target, targetOf } from './target.js';

// The deadline of the device that answers, and the way to its replica and back.
const marginMs = 5_000;

/**
 * Devices as clients of other devices of their owner: `/api/v1/devices/<di>/<href>`. A GET is answered with the value that
 * is kept; with an interface in the query, and for everything else, the other device is asked.
 */
@Injectable()
export class DeviceClient {
  constructor(
    private readonly links: LinkDirectory,
    private readonly owners: DeviceOwners,
    private readonly commands: Commands,
    private readonly values: KeptValues,
    private readonly observers: Observers,
    private readonly context: ServiceContext,
  ) {}

  /**
   * @throws CoapError `4.00`: the path or the observation is not possible; `4.01`, `4.03`, `4.04`: the device has another
   *   owner (observe, change, read), or there is no such resource (`4.04`); `5.03`: the device does not answer
   */
  async answer(session: DeviceSession, request: CoapRequest, signal: AbortSignal): Promise<CoapResponse> {
    const target = targetOf(request);
    switch (request.method) {
      case 'GET':
        return request.observe === undefined
          ? this.read(session, { target, request, signal })
          : this.observe(session, { target, request, signal });
      case 'POST':
        await this.require(session, target, '4.03');
        return this.command(session, { target, kind: kindOfPost(target), body: storedBodyOf(request), signal });
      case 'DELETE':
        await this.require(session, target, '4.03');
        return this.command(session, { target, kind: 'delete', signal });
      default:
        throw new CoapError('4.04', `unsupported method ${request.method}`);
    }
  }

  private async read(session: DeviceSession, { target, request, signal }: Read): Promise<CoapResponse> {
    await this.require(session, target, '4.04');
    const kept = target.resourceInterface === undefined ? await this.kept(target) : undefined;
    if (kept !== undefined) return unlessKnown(request, responseOf(request, kept));
    return unlessKnown(request, await this.command(session, { target, kind: 'retrieve', signal }));
  }

  private async observe(session: DeviceSession, { target, request, signal }: Read): Promise<CoapResponse> {
    if (request.observe === 1) {
      // RFC 7641 §3.6: an answer without Observe says that the relation is over.
      if (this.observers.end(session, request.token)) return { code: '2.05' };
      throw new CoapError('4.00', 'there is no observation with this token');
    }
    if (request.observe !== 0) throw new CoapError('4.00', `invalid observe value ${request.observe}`);
    await this.require(session, target, '4.01');
    const observer = this.observers.begin(session, { target, token: request.token });
    try {
      const kept = await this.kept(target);
      const first =
        kept === undefined
          ? await this.command(session, { target, kind: 'retrieve', signal })
          : responseOf(request, kept);
      if (first.code !== '2.05') throw new CoapError(first.code, 'the resource cannot be observed');
      return observer.follow(first, { sinceMicros: kept?.atMicros ?? 0, write: (value) => responseOf(request, value) });
    } catch (error) {
      observer.end();
      throw error;
    }
  }

  private kept({ device, href }: Target): Promise<KeptValue | undefined> {
    return this.values.read(ocfDeviceId(device), href);
  }

  /** @param code what a device gets for a device of somebody else */
  private async require({ owner }: DeviceSession, { device, href }: Target, code: ResponseCode): Promise<void> {
    if (!(await this.owners.isOwner({ deviceId: ocfDeviceId(device), owner })))
      throw new CoapError(code, `access to device('${device}') denied`);
    if ((await this.links.find(device, href)) === undefined)
      throw new CoapError('4.04', `the device has not published ${href}`);
  }

  private async command({ deviceId }: DeviceSession, order: Order): Promise<CoapResponse> {
    const { target, kind, body, signal } = order;
    const deadlineMs = this.context.settings.get('coap.keep_alive.timeout') * 1000;
    const command = await this.commands.submit({
      ...target,
      kind,
      ...(body === undefined ? {} : { body }),
      actor: `device:${deviceId}`,
      ttlSeconds: Math.max(1, Math.round(deadlineMs / 1000)),
    });
    return answerOf(await this.commands.outcomeOf(command, { deadlineMs: deadlineMs + marginMs, signal }));
  }
}

interface Read {
  readonly target: Target;
  readonly request: CoapRequest;
  readonly signal: AbortSignal;
}

interface Order {
  readonly target: Target;
  readonly kind: CommandKind;
  readonly body?: StoredBody | undefined;
  readonly signal: AbortSignal;
}

function kindOfPost({ resourceInterface }: Target): CommandKind {
  return resourceInterface === 'oic.if.create' ? 'create' : 'update';
}

function responseOf(request: CoapRequest, { content, etag }: KeptValue): CoapResponse {
  return { code: '2.05', ...contentOf(content, acceptedFormat(request)), etag };
}

/** RFC 7252 §5.10.6.2: a client that names the present value gets no body. */
function unlessKnown({ etags = [] }: CoapRequest, response: CoapResponse): CoapResponse {
  if (response.code !== '2.05') return response;
  const etag = response.etag ?? etagOf(response.payload ?? Buffer.alloc(0));
  return etags.some((known) => known.equals(etag)) ? { code: '2.03', etag } : { ...response, etag };
}

function answerOf(wait: Wait): CoapResponse {
  switch (wait.kind) {
    case 'answered':
      return passedOn(wait);
    case 'unavailable':
    case 'expired':
    case 'pending':
      throw new CoapError('5.03', 'temporary error: the device does not answer');
    case 'cancelled':
      throw new CoapError('5.03', 'the command was cancelled');
    default:
      return wait satisfies never;
  }
}

function passedOn({ code, body }: Extract<CommandOutcome, { readonly kind: 'answered' }>): CoapResponse {
  if (!isResponseCode(code)) throw new CoapError('5.02', `the device answered with the code ${code}`);
  return body === undefined ? { code } : { code, ...contentOfStored(body) };
}

function isResponseCode(code: string): code is ResponseCode {
  return Object.hasOwn(responseCodes, code);
}
