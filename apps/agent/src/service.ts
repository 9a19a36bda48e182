import { renewBeforeConnecting } from '@sallyport/entrance';
import type { ServiceDefinition } from '@sallyport/runtime';
import { AgentModule } from './agent.module.js';

/** The file transfer service of a gateway, for its processes and for child devices. */
export const agent: ServiceDefinition = {
  name: 'agent',
  needs: { mqtt: true, rpc: true },
  beforeConnecting: renewBeforeConnecting,
  module: () => ({ module: AgentModule }),
};
