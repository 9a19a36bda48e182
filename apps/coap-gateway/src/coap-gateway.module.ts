import { Module } from '@nestjs/common';
import { EntranceModule } from '@sallyport/entrance';
import { Timeline } from '@sallyport/timeline';
import { authorizationParts } from './authorization/authorization-parts.js';
import { GatewayFront } from './front/gateway-front.js';
import { DevicePresence } from './presence/device-presence.js';
import { presenceParts } from './presence/presence-parts.js';
import { resourceParts } from './resources/resource-parts.js';
import { ResourceWork } from './resources/resource-work.js';
import { sessionParts } from './sessions/session-parts.js';
import { SessionPresence } from './sessions/session-presence.js';
import { SignedInWork } from './sessions/signed-in-work.js';

/** Wires the parts of the CoAP gateway. */
@Module({
  imports: [EntranceModule],
  controllers: [
    ...authorizationParts.controllers,
    ...presenceParts.controllers,
    ...sessionParts.controllers,
    ...resourceParts.controllers,
  ],
  providers: [
    Timeline,
    GatewayFront,
    ...authorizationParts.providers,
    ...presenceParts.providers,
    { provide: SessionPresence, useExisting: DevicePresence },
    ...resourceParts.providers,
    { provide: SignedInWork, useExisting: ResourceWork },
    ...sessionParts.providers,
  ],
})
export class CoapGatewayModule {}
