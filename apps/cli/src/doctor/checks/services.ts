import { type Check, error } from '../check.js';

/** Every service runs and has what it needs. */
export const services: Check = {
  id: 'services',
  title: 'services',
  run: async ({ services: states, remedies }) =>
    states.flatMap((state) => {
      if (state.isRunning)
        return Object.entries(state.faults).map(([dependency, fault]) =>
          error(`${state.service} is not ready: ${dependency} ${fault}.`, remedies.startServices()),
        );
      // A broker of another make has no admin API.
      if (state.service === 'mqtt-broker' && state.code === 'ENOENT' && states.some(({ isRunning }) => isRunning))
        return [];
      return [error(state.reason, remedies.startServices())];
    }),
};
