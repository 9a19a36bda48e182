import {
  type IncomingRequest,
  type RequestFault,
  type ResponseWriter,
  type ServerConnection,
  serveHttp,
} from '@sallyport/http-wire';
import { type ConnectorName, type ConnectorView, Problem } from '@sallyport/protocol';
import type { Connection, Peer } from '@sallyport/tls';
import type { DeviceContact } from '../values/device-values.js';
import type { DeviceApi } from './device-api.js';
import { answerNoContent, answerProblem, answerText, DeviceCall } from './device-call.js';
import { type DeviceRoute, deviceRouteOf } from './device-route.js';
import { Misdirected, requireHost } from './host-rule.js';

const methodsOf: Readonly<Record<DeviceRoute['kind'], readonly string[]>> = {
  alias: ['GET', 'POST'],
  'one-alias': ['POST'],
  record: ['POST'],
  activate: ['POST'],
  download: ['GET'],
  timestamp: ['GET'],
  address: ['GET'],
};

/** Serves one connection of a device, until its end. */
export class DeviceConnection {
  private server: ServerConnection | undefined;
  /** The host of the last request, when it was the right one. */
  private knownHost: string | undefined;
  /** What the certificate of the connection makes the device, for the peer and the connector it was made of. */
  private certified: { readonly peer: Peer; readonly view: ConnectorView; readonly device: DeviceContact } | undefined;

  constructor(
    private readonly connection: Connection,
    private readonly api: DeviceApi,
  ) {}

  open(): void {
    this.server = serveHttp(this.connection.socket, {
      handler: (request, response) => this.take(request, response),
      onFault: (fault, response) => this.answerFaulty(fault, response),
      endsWithClient: true,
    });
    this.connection.draining.addEventListener('abort', () => this.server?.finish());
  }

  private take(request: IncomingRequest, response: ResponseWriter): void {
    const route = deviceRouteOf(request.target);
    const operation = route?.kind ?? 'other';
    const call = new DeviceCall(request, response, (status) => this.api.metrics.answered(operation, status));
    this.respond(call, route).catch((fault: unknown) => this.fail(fault, call));
  }

  private async respond(call: DeviceCall, route: DeviceRoute | undefined): Promise<void> {
    const { request } = call;
    const view = this.connectorOf(request);
    if (route === undefined) throw new Problem('not-found', 'There is no such path in the device API.');
    if (!methodsOf[route.kind].includes(request.method)) return this.refuseMethod(call, route);
    await this.serve(call, route, view);
  }

  private serve(call: DeviceCall, route: DeviceRoute, view: ConnectorView): Promise<void> | void {
    const { api } = this;
    switch (route.kind) {
      case 'timestamp':
        api.chargeAnonymous(this.connection);
        return answerText(call, String(Math.floor(api.nowMs() / 1000)));
      case 'address':
        api.chargeAnonymous(this.connection);
        return answerText(call, this.ownAddress());
      case 'activate':
        return this.activate(call, view.name);
      case 'alias':
        if (call.request.method === 'GET') return this.asDevice(call, view, (device) => api.values.read(call, device));
        return this.asDevice(call, view, (device) => api.values.write(call, device));
      case 'one-alias':
        return this.asDevice(call, view, (device) => api.values.recordOne(call, device, route.alias));
      case 'record':
        return this.asDevice(call, view, (device) => api.values.record(call, device));
      case 'download':
        return this.asDevice(call, view, (device) => api.contents.answer(call, device));
      default:
        route satisfies never;
    }
  }

  /** RFC 9110 §15.5.20: a request for another host must not be served on this connection. */
  private connectorOf({ fields }: IncomingRequest): ConnectorView {
    const directory = this.api.directory();
    const { destination } = this.connection;
    const view = destination.connector === undefined ? undefined : directory?.named(destination.connector);
    if (directory === undefined || view === undefined)
      throw new Problem('unavailable', 'The connector does not serve this host any more.', { retryAfterSeconds: 30 });
    const host = fields.get('host');
    if (host !== undefined && host !== this.knownHost) {
      requireHost(host, destination, directory);
      this.knownHost = host;
    }
    return view;
  }

  private asDevice(
    call: DeviceCall,
    view: ConnectorView,
    work: (device: DeviceContact) => Promise<void>,
  ): Promise<void> {
    const device = this.deviceOf(call, view);
    return device instanceof Promise ? device.then(work) : work(device);
  }

  /** A certificate has said who it is; then the credentials of the request do not count. */
  private deviceOf(call: DeviceCall, view: ConnectorView): DeviceContact | Promise<DeviceContact> {
    const { peer } = this.connection;
    if (peer === undefined) return this.api.authenticate(call, this.connection, view);
    if (this.certified?.peer !== peer || this.certified.view !== view)
      this.certified = { peer, view, device: this.contactOf(peer, view) };
    return this.certified.device;
  }

  private contactOf({ deviceId }: Peer, { name, settings }: ConnectorView): DeviceContact {
    const address = this.connection.remoteAddress;
    return { deviceId, connector: name, protocol: 'https', address, resources: settings.resources };
  }

  private async activate(call: DeviceCall, connector: ConnectorName): Promise<void> {
    // A device with a certificate is provisioned by its connection: there is nothing left to do.
    if (this.connection.peer !== undefined) return answerNoContent(call);
    await this.api.activate(call, this.connection, connector);
  }

  /** Of this side: devices behind a gateway ask which one they have reached. */
  private ownAddress(): string {
    const { localPlace } = this.connection.destination;
    if (localPlace === undefined) throw new Problem('not-found', 'This connection has no network address.');
    return localPlace;
  }

  private refuseMethod(call: DeviceCall, { kind }: DeviceRoute): void {
    const allowed = methodsOf[kind].join(', ');
    answerProblem(call, new Problem('method-not-allowed', `This path takes ${allowed}.`), ['Allow', allowed]);
  }

  private answerFaulty({ status, message }: RequestFault, response: ResponseWriter): void {
    this.api.metrics.answered('other', status);
    response.answer(status, ['Content-Type', 'text/plain'], `${message}\n`);
  }

  private fail(fault: unknown, call: DeviceCall): void {
    if (!call.isPending) return;
    if (fault instanceof Misdirected) {
      this.server?.finish();
      call.answer(421, ['Content-Type', 'text/plain'], `${fault.message}\n`);
    } else if (fault instanceof Problem) answerProblem(call, fault);
    else this.api.failed(fault, call);
  }
}
