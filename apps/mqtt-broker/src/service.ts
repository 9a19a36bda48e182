export { type OpenBrokerOptions, type OpenedBroker, openBroker } from './open-broker.js';
