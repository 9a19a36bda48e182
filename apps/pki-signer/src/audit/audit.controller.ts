import { Controller, Get, Query } from '@nestjs/common';
import { AuditLog } from '@sallyport/audit';
import type { AuditPage, AuditVerdict } from '@sallyport/protocol';

/** The signer's audit log, to read and to verify; nothing of it can be changed from outside. */
@Controller('v1/audit')
export class AuditController {
  constructor(private readonly log: AuditLog) {}

  @Get()
  list(@Query() query: unknown): Promise<AuditPage> {
    return this.log.page(query);
  }

  @Get('verify')
  verify(): Promise<AuditVerdict> {
    return this.log.verify();
  }
}
