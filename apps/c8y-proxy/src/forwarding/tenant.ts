import type { HostAndPort } from '@sallyport/cloud';
import type { UpstreamPool } from '@sallyport/http-wire';
import type { DeviceAuthorization } from '../authorization/device-authorization.js';

/** The REST API of one tenant, as this device reaches it. */
export interface Tenant {
  /** As in `cloud.connections`: `c8y`, or `c8y@plant2`. */
  readonly name: string;
  /** The value of the field Host: from the settings, never from the client. */
  readonly hostField: string;
  readonly pool: UpstreamPool;
  readonly authorization: DeviceAuthorization;
}

/** RFC 9110 §7.2: without the port when it is that of https. */
export function hostFieldOf({ host, port }: HostAndPort): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === 443 ? name : `${name}:${port}`;
}
