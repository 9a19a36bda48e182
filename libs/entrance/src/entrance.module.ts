import { Module } from '@nestjs/common';
import { EntranceController } from './entrance.controller.js';
import { Entrances } from './entrances.js';

/** Import it into the module of a service that has entrances. */
@Module({ controllers: [EntranceController], providers: [Entrances], exports: [Entrances] })
export class EntranceModule {}
