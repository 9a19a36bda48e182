import { Module } from '@nestjs/common';
import { EntranceModule } from '@sallyport/entrance';
import { Timeline } from '@sallyport/timeline';
import { presenceParts } from './presence/presence-parts.js';
import { SignedInDevices } from './sessions/signed-in-devices.js';

/** Wires the parts of the CoAP gateway. */
@Module({ imports: [EntranceModule], providers: [Timeline, SignedInDevices, ...presenceParts.providers] })
export class CoapGatewayModule {}
