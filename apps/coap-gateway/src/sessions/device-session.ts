import type { Endpoint } from '@sallyport/coap-wire';
import type { DeviceId, OcfUuid } from '@sallyport/protocol';

/** A device that is signed in, on one connection. */
export interface DeviceSession {
  readonly device: OcfUuid;
  /** Its name in the registry: `uuid:<device>`, spelled as in its certificate. */
  readonly deviceId: DeviceId;
  readonly owner: string;
  /** Names this session of the connection for ever: a random UUID. */
  readonly connectionId: string;
  /** The connection of the device. The gateway sends its own requests on it. */
  readonly endpoint: Endpoint;
  readonly remoteAddress: string;
  /** Aborted when the device signs out, is signed off, or its connection ends. */
  readonly signal: AbortSignal;
}
