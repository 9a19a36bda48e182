export { Clock, SystemClock } from './clock.js';
export { type ClockWatchOptions, watchClock } from './clock-watch.js';
export { openConfiguredStore } from './configured-store.js';
export { FaultLog, InnerFaultLog, reasonOf } from './fault-log.js';
export { Readiness, type ReadinessCheck, type ReadinessReport } from './health/readiness.js';
export { describeError, Log, type LogFields, type LogOptions, openLog } from './log.js';
export type { BrokerPlace } from './mqtt-client.js';
export { type ConnectionOnce, MqttSessions } from './mqtt-sessions.js';
export { backSidePlace, networkConnection } from './network-connection.js';
export { Served, Serves } from './openapi/serves.js';
export { freeSocketPath } from './private-socket.js';
export { ProblemFilter } from './problem-filter.js';
export { runService, runUntilSignal } from './run.js';
export { type ProcessResources, RunningServices } from './running-services.js';
export {
  ConnectedContext,
  type ConnectedContextOptions,
  ServiceContext,
  type ServiceContextOptions,
  type SettingsPreview,
} from './service-context.js';
export type { ServiceDefinition, ServiceNeeds } from './service-definition.js';
export { ServiceHost } from './service-host.js';
export { startArguments } from './start-arguments.js';
export { type StartingProcess, startProcess } from './start-process.js';
export { PortsTaken, type TakenPort, takenPorts } from './taken-ports.js';
export { isAddressInUse } from './tcp-ports.js';
