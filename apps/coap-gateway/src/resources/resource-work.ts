import { Injectable, type OnModuleInit } from '@nestjs/common';
import { CoapError, type CoapRequest, type CoapResponse, type ResponseCode } from '@sallyport/coap-wire';
import { type OcfUuid, Problem, type ProblemType } from '@sallyport/protocol';
import { ServiceContext } from '@sallyport/runtime';
import type { DeviceSession } from '../sessions/device-session.js';
import { SignedInWork } from '../sessions/signed-in-work.js';
import { DeviceClient } from './clients/device-client.js';
import { isForDevice } from './clients/target.js';
import { Commands } from './commands/commands.js';
import { DeviceFaults } from './device-faults.js';
import { KeptOfDevice } from './kept-of-device.js';
import { ResourceDirectory } from './links/resource-directory.js';
import { ResourceDiscovery } from './links/resource-discovery.js';
import { ResourceMetrics } from './resource-metrics.js';
import { type ResourceContext, SignedInResources } from './signed-in-resources.js';

const longestShownPath = 64;

/** What signed-in devices do with resources: publish their own, find and use those of other devices, and be observed. */
@Injectable()
export class ResourceWork extends SignedInWork implements OnModuleInit {
  private readonly bySession = new Map<DeviceSession, SignedInResources>();
  /** The newest session of each device. */
  private readonly byDevice = new Map<OcfUuid, SignedInResources>();
  private readonly resources: ResourceContext;

  constructor(
    private readonly kept: KeptOfDevice,
    private readonly commands: Commands,
    private readonly directory: ResourceDirectory,
    private readonly discovery: ResourceDiscovery,
    private readonly client: DeviceClient,
    metrics: ResourceMetrics,
    { settings, log }: ServiceContext,
  ) {
    super();
    this.resources = {
      ...kept.parts,
      enter: (session) => kept.enter(session),
      metrics,
      faults: new DeviceFaults(log),
      deadlineMs: () => settings.get('coap.keep_alive.timeout') * 1000,
      requiresBatch: () => settings.get('coap.requires_batch_observe'),
    };
  }

  onModuleInit(): void {
    this.commands.onCommand((device) => this.byDevice.get(device)?.wake());
  }

  override begin(session: DeviceSession): void {
    if (session.signal.aborted) return;
    const resources = new SignedInResources(session, this.resources);
    this.bySession.set(session, resources);
    this.byDevice.set(session.device, resources);
    session.signal.addEventListener('abort', () => this.end(session), { once: true });
    void resources.begin();
  }

  override async answer(session: DeviceSession, request: CoapRequest, signal: AbortSignal): Promise<CoapResponse> {
    try {
      return await this.route(session, request, signal);
    } catch (error) {
      throw error instanceof Problem ? coapErrorOf(error) : error;
    }
  }

  override async settle(session: DeviceSession, { deadlineMs }: { readonly deadlineMs: number }): Promise<void> {
    await this.bySession.get(session)?.runner.settle(deadlineMs);
  }

  override async forget({ device }: DeviceSession): Promise<void> {
    await this.kept.forget(device);
  }

  private async route(session: DeviceSession, request: CoapRequest, signal: AbortSignal): Promise<CoapResponse> {
    const path = `/${request.path.join('/')}`;
    if (path === '/oic/rd') return this.publish(session, request);
    if (path === '/oic/res') return this.discovery.answer(session, request);
    if (isForDevice(request)) return this.client.answer(session, request, signal);
    throw new CoapError('4.04', `unknown path '${path.slice(0, longestShownPath)}'`);
  }

  private async publish(session: DeviceSession, request: CoapRequest): Promise<CoapResponse> {
    await this.kept.enter(session);
    const { response, ...change } = await this.directory.answer(session, request);
    this.bySession.get(session)?.changed(change);
    return response;
  }

  private end(session: DeviceSession): void {
    const resources = this.bySession.get(session);
    this.bySession.delete(session);
    if (this.byDevice.get(session.device) === resources) this.byDevice.delete(session.device);
  }
}

const codeByProblem: Partial<Record<ProblemType, ResponseCode>> = {
  'invalid-request': '4.00',
  'not-found': '4.04',
  'too-large': '4.13',
  'rate-limited': '4.29',
  unavailable: '5.03',
  'storage-full': '5.03',
};

function coapErrorOf(problem: Problem): CoapError {
  const code = codeByProblem[problem.type] ?? '5.00';
  const text = code === '5.03' ? 'temporary error: try again later' : problem.message;
  return new CoapError(code, text, { cause: problem });
}
