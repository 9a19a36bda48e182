import type { CloudConnection } from '@sallyport/cloud';
import { GatewayFault } from '../forwarding/gateway-fault.js';
import type { AuthorizationSource } from './device-authorization.js';
import type { Authorization } from './device-token.js';

/** User name and password of the device, from their file: read again each time, so an edited file is used after a 401. */
export class BasicCredentials implements AuthorizationSource {
  constructor(private readonly connection: Pick<CloudConnection, 'credentials'>) {}

  async fetch(): Promise<Authorization> {
    const { username, password } = await this.connection.credentials().catch((cause: unknown) => {
      throw notUsable(cause);
    });
    // RFC 7617 §2: the first colon ends the user name.
    if (username.includes(':')) throw notUsable(new Error('The user name holds a colon.'));
    const pair = Buffer.from(`${username}:${password}`).toString('base64');
    return { value: `Basic ${pair}`, lifetimeMs: undefined };
  }
}

function notUsable(cause: unknown): GatewayFault {
  return new GatewayFault(
    'credentials-not-usable',
    'User name and password of this device for the cloud cannot be used. The log of c8y-proxy says why.',
    { cause },
  );
}
