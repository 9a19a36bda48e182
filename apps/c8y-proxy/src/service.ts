import { renewBeforeConnecting } from '@sallyport/entrance';
import type { ServiceDefinition } from '@sallyport/runtime';
import { ProxyModule } from './proxy.module.js';

/** The authenticating proxy to the REST API of Cumulocity, for the gateway's processes and for child devices. */
export const c8yProxy: ServiceDefinition = {
  name: 'c8y-proxy',
  needs: { mqtt: true, rpc: true },
  beforeConnecting: renewBeforeConnecting,
  module: () => ({ module: ProxyModule }),
};
