export { type AccessRules, type BrokerPeer, type Origin, tableRules } from './access-rules.js';
export type { BrokerCounters, BrokerFigures, DropReason } from './counters.js';
export { type ConnectionFacts, EmbeddedBroker, type EmbeddedBrokerOptions } from './embedded-broker.js';
export { type BrokerLimits, defaultBrokerLimits } from './limits.js';
