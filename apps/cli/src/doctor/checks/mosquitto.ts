import { isEntranceOffered } from '@sallyport/config';
import { readMosquittoConfiguration } from '../../mosquitto/configuration.js';
import { mosquittoFindings } from '../../mosquitto/findings.js';
import { type Check, type Finding, note } from '../check.js';
import type { CheckedSite } from '../checked-site.js';

/** The configuration of a Mosquitto of this machine, with the files it includes, and what a crash of it costs. */
export const mosquitto: Check = {
  id: 'mosquitto',
  title: 'configuration of Mosquitto',
  run: async (checked) => {
    const { context, site } = checked;
    const listeners = await readMosquittoConfiguration(site.settings.get('mqtt.broker.config_file'));
    const findings = listeners === undefined ? [] : await mosquittoFindings(listeners, context.now());
    return [...findings, ...crashNotes(checked)];
  },
};

/** Only where clients come through the entrance: nothing else waits for Mosquitto to save. */
function crashNotes({ site: { settings }, remedies, level }: CheckedSite): Finding[] {
  const url = settings.get('mqtt.broker.url');
  if (url === undefined || !isEntranceOffered(settings, 'mqtt') || settings.get('mqtt.broker.waits_for_save'))
    return [];
  const make = ['mqtt', 'broker-config', '--level', level, '--durable', '--output', '/etc/mosquitto/sallyport'];
  return [
    note(
      `Mosquitto acknowledges a message when it is in its memory, so a crash of the broker behind the entrance (${url}) can lose what was acknowledged. To lose nothing makes it slower: docs/mosquitto.md, "What a crash costs".`,
      remedies.all(remedies.run(...make), remedies.set('mqtt.broker.waits_for_save', 'true')),
    ),
  ];
}
