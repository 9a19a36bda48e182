import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { EntranceController } from './entrance.controller.js';
import { Entrances } from './entrances.js';
import { RoleGuard } from './role-guard.js';

/** Import it into the module of a service that has entrances. */
@Module({
  controllers: [EntranceController],
  providers: [Entrances, { provide: APP_GUARD, useClass: RoleGuard }],
  exports: [Entrances],
})
export class EntranceModule {}
