import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { BlockMemory, CoapEndpoint, defaultEndpointLimits, type EndpointLimits } from '@sallyport/coap-wire';
import { TokenBuckets } from '@sallyport/concurrency';
import { ConnectedContext, FaultLog, InnerFaultLog } from '@sallyport/runtime';
import type { Connection } from '@sallyport/tls';
import { deviceIdRules } from '../authorization/authorization-settings.js';
import { GatewayFront } from '../front/gateway-front.js';
import { DeviceConnection } from './device-connection.js';
import { OwnerWatch } from './owner-watch.js';
import { RefusalNotes } from './refusal-notes.js';
import type { GatewayContext, SessionRules } from './sec-context.js';
import { registerSessionMetrics, SessionCounters } from './session-counters.js';
import { SessionDependencies } from './session-dependencies.js';

// How often expired tokens and connections without a sign-in are looked for.
const checkEveryMs = 1_000;
// Bodies of all devices that wait for more of their blocks.
const blockMemoryBytes = 67_108_864;

// Enough for a sign-in with the largest tokens. What is larger comes in blocks.
const unknownMessageBytes = 16_384;

// A device whose network changes takes its session over now and then. Two with one identity do it at every reconnect.
const takeOverRate = { burst: 10, perSecond: 0.2 };
// Each session is written down twice, with an event and a line of the log. Sign-ins that renew a session are none.
const signInRate = { burst: 60, perSecond: 1 };
const mostDevices = 20_000;

/** Where devices connect: opens the entrance, and gives each connection what answers on it. */
@Injectable()
export class CoapDeviceEntrance implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly counters = new SessionCounters();
  private readonly connections = new Set<DeviceConnection>();
  private readonly ownerWatch: OwnerWatch;
  private readonly blockMemory: BlockMemory;
  private readonly context: GatewayContext;
  private readonly faults: FaultLog;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly front: GatewayFront,
    private readonly service: ConnectedContext,
    parts: SessionDependencies,
  ) {
    const { clock, log, metrics } = service;
    this.faults = new FaultLog(log, clock, 'request of a device failed');
    this.context = {
      ...parts.all,
      counters: this.counters,
      refusals: new RefusalNotes(service, this.counters),
      takeOvers: new TokenBuckets(takeOverRate, mostDevices),
      signIns: new TokenBuckets(signInRate, mostDevices),
      rules: () => rulesOf(service.settings),
      clock,
      log,
      faults: new InnerFaultLog(log, clock, 'request of a device failed'),
    };
    const { bodyBytes } = limitsOf(service.settings);
    this.blockMemory = new BlockMemory({ mostBytes: blockMemoryBytes, mostBytesEach: 2 * bodyBytes });
    registerSessionMetrics(metrics, this.counters);
    this.ownerWatch = new OwnerWatch(parts.all.owners, parts.all.devices);
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.front.open({ stream: (connection) => this.serve(connection) });
    this.timer = setInterval(() => this.checkTimes(), checkEveryMs).unref();
  }

  /** Ends nothing: the entrance ends its connections. */
  beforeApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private serve(connection: Connection): void {
    const device = new DeviceConnection(this.context, connection);
    const endpoint = new CoapEndpoint(connection.socket, {
      handler: (request, signal) => device.answer(request, signal),
      endsAfter: (refused) => device.endsAfter(refused),
      blockMemory: this.blockMemory,
      limits: this.limitsFor(connection),
      onFault: this.faults.note,
    });
    device.serve(endpoint);
    this.connections.add(device);
    this.counters.connections += 1;
    const drain = () => void endpoint.release();
    connection.draining.addEventListener('abort', drain, { once: true });
    if (connection.draining.aborted) drain();
    void endpoint.ended.then(() => {
      this.connections.delete(device);
      this.counters.connections -= 1;
    });
  }

  /** Nobody knows yet who is on a connection without a certificate, so it may cost little. */
  private limitsFor({ peer }: Connection): Partial<EndpointLimits> {
    const limits = limitsOf(this.service.settings);
    return peer === undefined
      ? { ...limits, messageBytes: Math.min(limits.messageBytes, unknownMessageBytes) }
      : limits;
  }

  private checkTimes(): void {
    const times = { now: this.context.clock.now(), signInMs: this.context.rules().signInMs };
    for (const connection of this.connections) connection.checkTime(times);
    void this.ownerWatch.askAgain();
  }
}

function rulesOf(settings: ConnectedContext['settings']): SessionRules {
  return {
    ...deviceIdRules(settings),
    tokenMarginMs: settings.get('coap.owner_cache_expiration') * 2_000,
    messageBytes: settings.get('coap.max_message_size'),
    signInMs: settings.get('coap.sign_in.timeout') * 1_000,
    settleMs: settings.get('coap.keep_alive.timeout') * 1_000,
  };
}

/** A device may be silent as long as the setting says: half of it until it is asked for a sign of life, and half after. */
function limitsOf(settings: ConnectedContext['settings']) {
  const halfMs = settings.get('coap.keep_alive.timeout') * 500;
  const messageBytes = settings.get('coap.max_message_size');
  // A device with small messages still sends whole bodies, in blocks.
  const bodyBytes = Math.max(defaultEndpointLimits.bodyBytes, messageBytes);
  return { messageBytes, bodyBytes, silenceMs: halfMs, pongMs: halfMs } satisfies Partial<EndpointLimits>;
}
