import { isIP } from 'node:net';
import type { Settings } from './settings.js';

/** Warns of combinations of settings that are allowed, but that people seldom want. */
export function riskWarnings(settings: Settings): string[] {
  return [...exposureWarning(settings), ...openBrokerWarning(settings), ...clientPortWarning(settings)];
}

// As in thin-edge.io: if the broker is opened to other devices, the file transfer service is opened too.
function exposureWarning(settings: Settings): string[] {
  const address = settings.get('mqtt.external.bind.address');
  const follows = address !== undefined && settings.source('http.bind.address') === 'default';
  if (!follows || isLoopback(address)) return [];
  return [
    `mqtt.external.bind.address opens the file transfer service on ${address} too. ` +
      'Set http.bind.address to choose where it listens: tedge config set http.bind.address ADDRESS',
  ];
}

/** Who proves nothing may use all topics. So a second listener without CA undoes the rights that the first one gives. */
function openBrokerWarning(settings: Settings): string[] {
  const port = settings.get('mqtt.external.bind.port');
  const mutualKeys = ['mqtt.bind.cert_file', 'mqtt.bind.key_file', 'mqtt.bind.ca_path'] as const;
  const isGuarded = settings.get('mqtt.bind.enabled') && mutualKeys.every((key) => settings.get(key) !== undefined);
  if (port === undefined || !isGuarded || settings.get('mqtt.external.ca_path') !== undefined) return [];
  return [
    `mqtt.external.bind.port: whoever reaches port ${port} may use all topics of all devices, because ` +
      'mqtt.external.ca_path is not set; mqtt.bind.* asks for certificates. Run: sallyport secure mutual',
  ];
}

function clientPortWarning(settings: Settings): string[] {
  const bound = settings.get('http.bind.port');
  const used = settings.get('http.client.port');
  const isServedHere = isLoopback(settings.get('http.client.host'));
  const isChosen = settings.source('http.client.port') !== 'default' || bound === 0;
  if (!isServedHere || bound === used || isChosen) return [];
  return [
    `The file transfer service listens on port ${bound}, but http.client.port is ${used}, so clients here miss it. ` +
      `Run: tedge config set http.client.port ${bound}`,
  ];
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
