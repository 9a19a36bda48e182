import { type CloudConnection, dialCloud, hostFieldOf } from '@sallyport/cloud';
import { UpstreamPool } from '@sallyport/http-wire';
import type { MqttSessions } from '@sallyport/runtime';
import { BasicCredentials } from './authorization/basic-credentials.js';
import { type AuthorizationSource, DeviceAuthorization } from './authorization/device-authorization.js';
import { MqttTokenSource } from './authorization/mqtt-token-source.js';
import type { Tenant } from './forwarding/tenant.js';

export interface TenantParts {
  readonly sessions: Pick<MqttSessions, 'open'>;
  readonly nowMs: () => number;
  readonly onFetched: (fault: unknown) => void;
  /** How long the cloud may take to begin an answer. */
  readonly responseMs: number;
}

// A question for a token goes through both brokers to the cloud.
const calmMs = 10_000;

/** Prepares the way to the REST API of a connection. Nothing is dialled before the first request. */
export function openTenant(connection: CloudConnection, parts: TenantParts): Tenant {
  const place = connection.http;
  if (place === undefined) throw new Error(`${connection.name} has no REST API`);
  const { nowMs, onFetched, responseMs: headMs } = parts;
  return {
    name: connection.name,
    hostField: hostFieldOf(place),
    pool: new UpstreamPool({
      dial: (signal) => dialCloud(connection, { endpoint: 'http', alpn: ['http/1.1'], signal }),
      limits: { headMs },
    }),
    authorization: new DeviceAuthorization({
      source: sourceOf(connection, parts),
      nowMs,
      // A file is read without asking anybody.
      calmMs: connection.authMethod === 'basic' ? 0 : calmMs,
      onFetched,
    }),
  };
}

function sourceOf(connection: CloudConnection, { sessions, nowMs }: TenantParts): AuthorizationSource {
  if (connection.authMethod === 'basic') return new BasicCredentials(connection);
  return new MqttTokenSource({
    openSession: (options) => sessions.open(`token/${connection.name}`, options),
    topicPrefix: connection.topicPrefix,
    nowMs,
  });
}
