import type { ServiceDefinition } from '@sallyport/runtime';
import { AgentModule } from './agent.module.js';

/** The gateway's file transfer service, for its own processes and for child devices. */
export const agent: ServiceDefinition = {
  name: 'agent',
  needs: { mqtt: true, rpc: true },
  module: () => ({ module: AgentModule }),
};
