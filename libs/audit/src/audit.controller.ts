import { Controller, Query } from '@nestjs/common';
import { type AuditPage, type AuditVerdict, auditRoutes } from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';
import { AuditLog } from './audit-log.js';

/** Reads and verifies the audit log of a service. Nobody can change it from outside. */
@Controller()
export class AuditController {
  constructor(private readonly log: AuditLog) {}

  @Serves(auditRoutes.listRows)
  list(@Query() query: unknown): Promise<AuditPage> {
    return this.log.page(query);
  }

  @Serves(auditRoutes.verify)
  verify(): Promise<AuditVerdict> {
    return this.log.verify();
  }
}
