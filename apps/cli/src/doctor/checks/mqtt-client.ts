import { type ConfigKey, isEntranceOffered, type Settings } from '@sallyport/config';
import { Problem } from '@sallyport/protocol';
import { type BrokerPlace, clientPlace } from '@sallyport/runtime/mqtt-client';
import { deviceFiles, exists } from '../../cert/device-files.js';
import { clientId } from '../../mqtt/client-connection.js';
import { greetBroker } from '../../mqtt/greet-broker.js';
import { type Check, error, type Relations } from '../check.js';
import type { CheckedSite } from '../checked-site.js';

const placeKeys = ['mqtt.client.host', 'mqtt.client.port'] as const;
const fileKeys = [
  'mqtt.client.auth.ca_file',
  'mqtt.client.auth.ca_dir',
  'mqtt.client.auth.cert_file',
  'mqtt.client.auth.key_file',
] as const;

const relations: Relations = {
  needs: ['clock', 'start', 'broker', 'client mqtt', 'listener mqtt', 'listener mqtt.external', 'service mqtt-broker'],
};

/** Programs of this device reach the broker with `mqtt.client.*`: a connection is made and accepted. */
export const mqttClient: Check = {
  id: 'mqtt-client',
  title: 'connection to the MQTT broker',
  run: async (checked) => {
    const { settings } = checked.site;
    const place = isUsed(checked) && !isToldByServices(checked) ? placeIn(settings) : undefined;
    if (place === undefined) return [];
    try {
      await greetBroker({ ...place, clientId: clientId('doctor') }, checked.context.signal);
      return [];
    } catch (fault) {
      if (!(fault instanceof Problem)) throw fault;
      return [error(fault.message, await remedyFor(checked, fault), relations)];
    }
  },
};

/** A gateway has a broker, unless its entrance is shut. Any other device uses one when its settings say where it is. */
function isUsed({ isGateway, site: { settings } }: CheckedSite): boolean {
  const isChosen = [...placeKeys, ...fileKeys].some((key) => settings.source(key) !== 'default');
  return isChosen || (isGateway && isEntranceOffered(settings, 'mqtt'));
}

/**
 * Our own broker does not run. Where other services run and it was never started, another broker may be in its place.
 */
function isToldByServices({ services, site: { settings } }: CheckedSite): boolean {
  const own = services.find(({ service }) => service === 'mqtt-broker');
  const isOwn = settings.get('mqtt.client.port') === settings.get('mqtt.bind.port');
  if (!isOwn || own === undefined || own.isRunning) return false;
  return own.code !== 'ENOENT' || !services.some(({ isRunning }) => isRunning);
}

/** Undefined when half a pair is set, which the check of client certificates tells. */
function placeIn(settings: Settings): BrokerPlace | undefined {
  try {
    return clientPlace(settings);
  } catch (fault) {
    if (fault instanceof Problem) return undefined;
    throw fault;
  }
}

async function remedyFor(checked: CheckedSite, { type, extensions }: Problem): Promise<string> {
  if (type === 'unavailable' && extensions['isAnswered'] !== true) return placeRemedy(checked);
  return checked.isGateway ? gatewayRemedy(checked) : deviceRemedy(checked);
}

function placeRemedy({ remedies, isGateway, site: { settings } }: CheckedSite): string {
  const chosen = placeKeys.filter((key) => isSet(settings, key));
  if (!isGateway) return remedies.set('mqtt.client.host', 'GATEWAY');
  // With mqtt.bind.enabled = false, the only listener may be the second one.
  const port = settings.get('mqtt.external.bind.port');
  if (!isEntranceOffered(settings, 'mqtt') && port !== undefined) return remedies.set('mqtt.client.port', String(port));
  if (chosen.length > 0) return remedies.unset(...chosen);
  const isApart = settings.get('mqtt.broker.socket') !== undefined;
  return isApart ? remedies.startService('mqtt-broker') : remedies.startServices();
}

/** `secure` sets what nobody has set. */
function gatewayRemedy({ remedies, level, site: { settings } }: CheckedSite): string {
  const set = fileKeys.filter((key) => isSet(settings, key));
  return remedies.all(...(set.length === 0 ? [] : [remedies.unset(...set)]), remedies.secure(level));
}

/** A device that has enrolled has all it needs. */
async function deviceRemedy({ remedies, site: { settings } }: CheckedSite): Promise<string> {
  const { caPath, certPath, keyPath } = deviceFiles(settings);
  if (!(await exists(caPath))) return remedies.enrolElsewhere('DEVICE', 'https://GATEWAY:8443');
  return remedies.all(
    remedies.set('mqtt.client.auth.ca_file', caPath),
    remedies.set('mqtt.client.auth.cert_file', certPath),
    remedies.set('mqtt.client.auth.key_file', keyPath),
  );
}

function isSet(settings: Settings, key: ConfigKey): boolean {
  return settings.source(key) !== 'default';
}
