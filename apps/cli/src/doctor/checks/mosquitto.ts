import { readMosquittoConfiguration } from '../../mosquitto/configuration.js';
import { mosquittoFindings } from '../../mosquitto/findings.js';
import type { Check } from '../check.js';

/** The configuration of a Mosquitto of this machine, with the files it includes. */
export const mosquitto: Check = {
  id: 'mosquitto',
  title: 'configuration of Mosquitto',
  run: async ({ context, site }) => {
    const listeners = await readMosquittoConfiguration(site.settings.get('mqtt.broker.config_file'));
    return listeners === undefined ? [] : mosquittoFindings(listeners, context.now());
  },
};
