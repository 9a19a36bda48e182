import { TokenBuckets } from '@sallyport/concurrency';
import { basicCredentials } from '@sallyport/http';
import type { Fields } from '@sallyport/http-wire';
import {
  type ConnectorName,
  type ConnectorView,
  type PresentedCredential,
  Problem,
  printable,
} from '@sallyport/protocol';
import { InnerFaultLog, type Log, SystemClock } from '@sallyport/runtime';
import { type Connection, networkOf } from '@sallyport/tls';
import type { ConnectorDirectory } from '../front/connector-directory.js';
import type { DeviceCredentials } from '../front/device-credentials.js';
import type { DeviceContact } from '../values/device-values.js';
import type { ContentCalls } from './content-calls.js';
import { answerProblem, answerText, type DeviceCall, readForm } from './device-call.js';
import type { HttpMetrics } from './http-metrics.js';
import { refusalProblem } from './refusal-problem.js';
import type { ValueCalls } from './value-calls.js';

export interface DeviceApiOptions {
  readonly directory: () => ConnectorDirectory | undefined;
  readonly credentials: Pick<DeviceCredentials, 'authenticate' | 'activate'>;
  readonly values: ValueCalls;
  readonly contents: ContentCalls;
  readonly metrics: HttpMetrics;
  readonly log: Log;
  readonly nowMs: () => number;
}

const entrance = 'connector';
const mostNetworks = 10_000;
/** A client that nobody knows sends a name, and may have thousands of connections. */
const mostActivationBytes = 4_096;
/** What a network may ask without saying who it is. A site behind one address has thousands of devices. */
const anonymousRate = { burst: 500, perSecond: 50 };

/** What the connections of devices share: who they are, and what they may do without saying so. */
export class DeviceApi {
  private readonly anonymous = new TokenBuckets(anonymousRate, mostNetworks);
  private readonly withoutSession = new WeakSet<DeviceContact>();

  private readonly faults: InnerFaultLog;

  constructor(private readonly options: DeviceApiOptions) {
    this.faults = new InnerFaultLog(options.log, new SystemClock(), 'a request failed inside the connector');
  }

  get values(): ValueCalls {
    return this.options.values;
  }

  get contents(): ContentCalls {
    return this.options.contents;
  }

  get metrics(): HttpMetrics {
    return this.options.metrics;
  }

  directory(): ConnectorDirectory | undefined {
    return this.options.directory();
  }

  nowMs(): number {
    return this.options.nowMs();
  }

  /** @throws Problem `rate-limited` */
  chargeAnonymous({ remoteAddress }: Connection): void {
    const network = networkOf(remoteAddress);
    if (!this.anonymous.take(network, performance.now())) throw tooMany();
  }

  /**
   * The device whose token or password a request holds.
   *
   * @throws Problem `credentials-invalid` and others, with the reason of the registry
   */
  async authenticate(call: DeviceCall, connection: Connection, view: ConnectorView): Promise<DeviceContact> {
    const { remoteAddress } = connection;
    const credential = credentialIn(call.request.fields);
    if (credential === undefined) throw refusalProblem('no-certificate');
    const decision = await this.options.credentials.authenticate({
      connector: view.name,
      credential,
      entrance,
      remoteAddress,
    });
    if (decision.outcome === 'refused') {
      throw refusalProblem(decision.reason);
    }
    const device: DeviceContact = {
      deviceId: decision.deviceId,
      connector: view.name,
      protocol: 'https',
      address: remoteAddress,
      resources: view.settings.resources,
    };
    this.withoutSession.add(device);
    return device;
  }

  /** Whether a request has proved the device, and not the connection: then there is no session that could be cut. */
  hasNoSession(device: DeviceContact): boolean {
    return this.withoutSession.has(device);
  }

  /** `POST /provision/activate`: gives a new device its token, once. */
  async activate(call: DeviceCall, { remoteAddress }: Connection, connector: ConnectorName): Promise<void> {
    const identity = identityIn(await readForm(call, { mostBytes: mostActivationBytes }));
    const agent = call.request.fields.get('user-agent');
    const decision = await this.options.credentials.activate({
      connector,
      ...(identity === undefined ? {} : { identity }),
      ...(agent === undefined ? {} : { userAgent: printable(agent).slice(0, 256) }),
      entrance,
      remoteAddress,
    });
    if (decision.outcome === 'activated') {
      answerText(call, decision.token, ['Cache-Control', 'no-store']);
      return;
    }
    throw refusalProblem(decision.reason);
  }

  failed(fault: unknown, call: DeviceCall): void {
    this.faults.noteWith(fault, { method: call.request.method });
    answerProblem(call, new Problem('internal', 'The connector has failed. Its log says why.'));
  }
}

function tooMany(): Problem {
  return new Problem('rate-limited', 'There were too many such requests from this network. Try again in a minute.', {
    retryAfterSeconds: 60,
  });
}

/** Undefined: the request names no credential. */
function credentialIn(fields: Fields): PresentedCredential | undefined {
  const key = fields.get('x-exosite-cik');
  const authorization = fields.get('authorization');
  const token = key?.trim() ?? /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
  if (token !== undefined && token !== '') return { kind: 'token', token: token.slice(0, 256) };
  const basic = basicCredentials(authorization);
  if (basic === undefined) return undefined;
  const { username, password } = basic;
  return { kind: 'password', identity: username.slice(0, 256), password: password.slice(0, 256) };
}

/** `id=`; firmware of the time before sends `vendor`, `model` and `sn`. Absent: the registry is asked for a name. */
function identityIn(pairs: readonly (readonly [string, string])[]): string | undefined {
  const form = new Map(pairs);
  return (form.get('id') ?? form.get('sn'))?.slice(0, 256);
}
