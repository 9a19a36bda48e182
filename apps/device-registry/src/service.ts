import { renewBeforeConnecting } from '@sallyport/entrance';
import type { ServiceDefinition } from '@sallyport/runtime';
import { DeviceRegistryModule } from './device-registry.module.js';

/** Devices, their certificates and states; who is admitted; the audit log. */
export const deviceRegistry: ServiceDefinition = {
  name: 'device-registry',
  needs: { store: true, mqtt: true, rpc: true },
  beforeConnecting: renewBeforeConnecting,
  module: () => ({ module: DeviceRegistryModule }),
};
