export { AuditController } from './audit.controller.js';
export { type AuditEntry, type AuditHead, emptyLog, faultOf } from './audit-chain.js';
export { AuditCheckpoints } from './audit-checkpoints.js';
export { AuditJournal, type AuditJournalOptions } from './audit-journal.js';
export { AuditLog, type AuditLogClock, type AuditLogOptions } from './audit-log.js';
export type { AuditedChange } from './change-batch.js';
export { checkpointFault, keyIdOf } from './checkpoint.js';
export { type LogSentence, logLines } from './log-lines.js';
export type { Preference } from './older-copy.js';
