export { Clock, SystemClock } from './clock.js';
export { openConfiguredStore } from './configured-store.js';
export { describeError, Log, type LogFields, type LogOptions, openLog } from './log.js';
export { ProblemFilter } from './problem-filter.js';
export { Readiness, type ReadinessCheck, type ReadinessReport } from './readiness.js';
export { type ProcessResources, RunningServices, runService, runUntilSignal } from './run.js';
export { ServiceContext, type ServiceContextOptions } from './service-context.js';
export type { ServiceDefinition } from './service-definition.js';
export { ServiceHost } from './service-host.js';
