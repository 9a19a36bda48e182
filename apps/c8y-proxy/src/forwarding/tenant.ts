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
