import { isForClouds, isOptional, serviceName } from '@sallyport/protocol';
import { takenPorts } from '@sallyport/runtime';
import { type Check, error } from '../check.js';

/** Services that every site has. */
const needed = serviceName.options.filter((service) => !isOptional(service) && !isForClouds(service));

/** While no service runs: no other program listens where they would. */
export const ports: Check = {
  id: 'ports',
  title: 'ports of the services',
  run: async ({ services, site, context, remedies }) => {
    if (services.some(({ isRunning }) => isRunning)) return [];
    const { env, cwd } = context;
    const taken = await takenPorts(site.settings, needed, { env, cwd });
    if (taken.length === 0) return [];
    const places = taken.map(
      ({ holder, host, port, portKey }) => `${holder} listens on ${host} port ${port} (${portKey})`,
    );
    const fix = remedies.all(...taken.flatMap((one) => one.remedies), remedies.startServices());
    return [error(`The services cannot start: ${places.join(', and ')}.`, fix, { breaks: ['start'] })];
  },
};
