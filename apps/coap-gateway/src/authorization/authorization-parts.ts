import { Authorization } from './authorization.js';
import { GatewayAuthorization } from './gateway-authorization.js';

/** What the module of the gateway wires of this folder. */
export const authorizationParts = {
  providers: [GatewayAuthorization, { provide: Authorization, useExisting: GatewayAuthorization }],
};
