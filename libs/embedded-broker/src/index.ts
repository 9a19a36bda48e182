export { type AccessRules, type BrokerPeer, type Origin, tableRules } from './access-rules.js';
export { EmbeddedBroker, type EmbeddedBrokerOptions } from './embedded-broker.js';
export { type BrokerLimits, defaultBrokerLimits } from './limits.js';
export { PacketMeter } from './packet-meter.js';
