import { Authorization } from './authorization.js';
import { GatewayAuthorization } from './gateway-authorization.js';
import { CodesController } from './site/codes.controller.js';
import { SiteAuthority } from './site/site-authority.js';

/** The wiring of tokens and codes, for the module of the gateway. It needs the audit log and `DeviceOwners`. */
export const authorizationParts = {
  controllers: [CodesController],
  providers: [SiteAuthority, GatewayAuthorization, { provide: Authorization, useExisting: GatewayAuthorization }],
};
