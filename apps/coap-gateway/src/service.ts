import { renewBeforeConnecting } from '@sallyport/entrance';
import type { ServiceDefinition } from '@sallyport/runtime';
import { CoapGatewayModule } from './coap-gateway.module.js';

/** Where devices of OCF sign up and in over CoAP and mutual TLS, and what they publish. */
export const coapGateway: ServiceDefinition = {
  name: 'coap-gateway',
  needs: { store: true, mqtt: true, rpc: true },
  beforeConnecting: renewBeforeConnecting,
  module: () => ({ module: CoapGatewayModule }),
};
