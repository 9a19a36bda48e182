import { Module } from '@nestjs/common';
import { EntranceController } from './entrance.controller.js';
import { Entrances } from './entrances.js';

/** Import it into a service's module to give the service doors. */
@Module({ controllers: [EntranceController], providers: [Entrances], exports: [Entrances] })
export class EntranceModule {}
