import { Module } from '@nestjs/common';
import { EntranceModule } from '@sallyport/entrance';
import { ProxyEntrances } from './proxy-entrances.js';

/** Wires the parts of the proxy. */
@Module({ imports: [EntranceModule], providers: [ProxyEntrances] })
export class ProxyModule {}
