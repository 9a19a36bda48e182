export { AuditController } from './audit.controller.js';
export type { AuditEntry, AuditHead } from './audit-chain.js';
export { AuditLog, type AuditLogClock } from './audit-log.js';
export type { AuditedChange } from './change-batch.js';
