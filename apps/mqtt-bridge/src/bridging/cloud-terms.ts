import { type CloudConnection, smartRestLine } from '@sallyport/cloud';
import type { PlannedMessage, PlannedTerms } from './bridge-plan.js';

export interface CloudTermsOptions {
  /** The service of thin-edge.io that the bridge stands for. */
  readonly service: string;
  /** `service.type`: what Cumulocity shows as the type of the service. */
  readonly serviceType: string;
  /** For brokers that speak both; Cumulocity gets 3.1.1. */
  readonly version: 4 | 5;
}

/** What CONNECT says to a cloud, but for the login. The client id is the identity of the device there. */
export function cloudTerms(cloud: CloudConnection, options: CloudTermsOptions): PlannedTerms {
  const { kind, deviceId, keepAliveSeconds, isCleanSession } = cloud;
  const common = { clientId: deviceId, isClean: isCleanSession, keepAliveSeconds };
  if (kind !== 'c8y') return { ...common, version: options.version };
  return {
    ...common,
    version: 4,
    will: serviceStatus(deviceId, options, 'down'),
    greeting: serviceStatus(deviceId, options, 'up'),
  };
}

/**
 * SmartREST 102 creates or updates a service of the device. The external id is that of the bridge. thin-edge.io uses the
 * id of its mapper for both, so one of the two never shows its own state.
 */
function serviceStatus(
  deviceId: string,
  { service, serviceType }: CloudTermsOptions,
  status: 'up' | 'down',
): PlannedMessage {
  const payload = smartRestLine('102', `${deviceId}:device:main:service:${service}`, serviceType, service, status);
  return { topic: 's/us', payload, retain: false };
}
