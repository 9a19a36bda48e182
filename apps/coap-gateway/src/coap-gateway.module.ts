import { Module } from '@nestjs/common';
import { EntranceModule } from '@sallyport/entrance';
import { Timeline } from '@sallyport/timeline';

/** Wires the parts of the CoAP gateway. */
@Module({ imports: [EntranceModule], providers: [Timeline] })
export class CoapGatewayModule {}
