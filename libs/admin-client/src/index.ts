export { AdminClient, type AdminClientOptions } from './admin-client.js';
export { AdminFault, type AdminFaultKind } from './admin-fault.js';
export type { AdminPlace } from './connection.js';
export type { OperationInput } from './operation.js';
