import { Module } from '@nestjs/common';
import { EntranceModule } from '@sallyport/entrance';

/** Wires the parts of the connector. */
@Module({ imports: [EntranceModule] })
export class ConnectorModule {}
