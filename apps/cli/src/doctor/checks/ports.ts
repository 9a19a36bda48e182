import { join } from 'node:path';
import { processWithOpenFile } from '@sallyport/files';
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
    // Stopped services leave the file, but nobody has it open.
    const running = await processWithOpenFile(join(site.settings.require('data.path'), 'mqtt-broker', 'lock'));
    if (running !== undefined)
      return [
        error(
          `Sallyport runs here (process ${running}), but its sockets in ${site.settings.require('run.path')} are gone, so no command reaches it. Stop it, and start it again.`,
          remedies.restartServices(running),
          { breaks: ['start'] },
        ),
      ];
    const taken = await takenPorts(site.settings, needed, { env, cwd });
    if (taken.length === 0) return [];
    const places = taken.map(
      ({ holder, host, port, portKey }) => `${holder} listens on ${host} port ${port} (${portKey})`,
    );
    const fix = remedies.all(...taken.flatMap((one) => one.remedies), remedies.startServices());
    return [error(`The services cannot start: ${places.join(', and ')}.`, fix, { breaks: ['start'] })];
  },
};
