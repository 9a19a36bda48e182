import { renewBeforeConnecting } from '@sallyport/entrance';
import type { ServiceDefinition } from '@sallyport/runtime';
import { ConnectorModule } from './connector.module.js';

/** Where devices with a certificate from a Client CA connect: the device APIs over HTTP and MQTT, and their values. */
export const connector: ServiceDefinition = {
  name: 'connector',
  needs: { store: true, mqtt: true, rpc: true },
  beforeConnecting: renewBeforeConnecting,
  module: () => ({ module: ConnectorModule }),
};
