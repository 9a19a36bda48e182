import { Controller, Query } from '@nestjs/common';
import {
  type AuditPage,
  type AuditVerdict,
  auditRoutes,
  type AuditCheckpoints as CheckpointList,
} from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';
import { AuditCheckpoints } from './audit-checkpoints.js';
import { AuditLog } from './audit-log.js';

/** Reads and verifies the audit log of a service. Nobody can change it from outside. */
@Controller()
export class AuditController {
  constructor(
    private readonly log: AuditLog,
    private readonly signed: AuditCheckpoints,
  ) {}

  @Serves(auditRoutes.listRows)
  list(@Query() query: unknown): Promise<AuditPage> {
    return this.log.page(query);
  }

  @Serves(auditRoutes.listCheckpoints)
  listCheckpoints(): Promise<CheckpointList> {
    return this.signed.list();
  }

  @Serves(auditRoutes.verify)
  verify(): Promise<AuditVerdict> {
    return this.log.verify();
  }
}
