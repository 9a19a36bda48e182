import { Controller } from '@nestjs/common';
import { AuditLog } from '@sallyport/audit';
import { Actor } from '@sallyport/entrance';
import { type JournalStatus, journalRoutes } from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';

/** What the journal has found. */
@Controller()
export class JournalController {
  constructor(private readonly audit: AuditLog) {}

  @Serves(journalRoutes.show)
  show(): Promise<JournalStatus> {
    return this.audit.journalStatus();
  }

  @Serves(journalRoutes.acknowledge)
  acknowledge(@Actor() actor: string): Promise<JournalStatus> {
    return this.audit.acknowledgeOlderCopy(actor);
  }
}
