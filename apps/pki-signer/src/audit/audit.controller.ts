import { Controller, Get, Query } from '@nestjs/common';
import { type AuditPage, type AuditVerdict, auditQuery } from '@sallyport/protocol';
import { AuditLog } from './audit-log.js';

/** The signer's audit log, to read and to verify; nothing of it can be changed from outside. */
@Controller('v1/audit')
export class AuditController {
  constructor(private readonly log: AuditLog) {}

  @Get()
  list(@Query() query: unknown): Promise<AuditPage> {
    const { after, limit } = auditQuery.parse(query);
    return this.log.rows(after, limit);
  }

  @Get('verify')
  verify(): Promise<AuditVerdict> {
    return this.log.verify();
  }
}
