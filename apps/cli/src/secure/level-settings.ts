import type { SecurityLevel } from '@sallyport/protocol';
import { type PathKey, securedGroups } from '../site/secured-group.js';
import type { Site } from '../site/site.js';
import { localClient } from './local-identity.js';
import type { RunningEntrance } from './running-entrances.js';
import type { ServerCertificate } from './server-certificates.js';
import type { PathChange } from './settings-change.js';

/** Every setting that a level needs, and every setting that it must not have. */
export function settingsFor(
  level: SecurityLevel,
  site: Site,
  certificates: ReadonlyMap<RunningEntrance, ServerCertificate>,
): PathChange[] {
  if (level === 'plain')
    return [...plainSettings(), ...clientSettings(level, site), ...mqttClientSettings(level, site)];
  // The entrances for the profiles of a cloud have the settings from outside of profiles.
  const changes = [...certificates].filter(isFirstOfGroup).flatMap(
    ([
      {
        secured: { keys },
      },
      { certPath, keyPath, caPath },
    ]) => [
      { key: keys.cert, value: certPath },
      { key: keys.key, value: keyPath },
      { key: keys.ca, value: caPath },
    ],
  );
  const isMqttSecured = [...certificates.keys()].some(({ secured }) => secured.service === 'mqtt-broker');
  return [...changes, ...clientSettings(level, site), ...(isMqttSecured ? mqttClientSettings(level, site) : [])];
}

function isFirstOfGroup(
  [{ secured }]: [RunningEntrance, unknown],
  at: number,
  all: [RunningEntrance, unknown][],
): boolean {
  return all.findIndex(([other]) => other.secured.group === secured.group) === at;
}

function plainSettings(): PathChange[] {
  return securedGroups.flatMap(({ keys }) => Object.values(keys).map((key) => ({ key, value: undefined })));
}

/** What clients on this machine show to the file transfer service. */
function clientSettings(level: SecurityLevel, site: Site): PathChange[] {
  const { certPath, keyPath } = localClient(site.settings).files;
  const own: OwnSetting[] = [
    { key: 'http.client.auth.cert_file', value: certPath, levels: ['mutual'] },
    { key: 'http.client.auth.key_file', value: keyPath, levels: ['mutual'] },
  ];
  return ownSettings(level, site, own);
}

/** What clients on this machine need to talk to the broker of the site. */
function mqttClientSettings(level: SecurityLevel, site: Site): PathChange[] {
  const { certPath, keyPath, caPath } = localClient(site.settings).files;
  return ownSettings(level, site, [
    { key: 'mqtt.client.auth.ca_file', value: caPath, levels: ['server', 'mutual'] },
    { key: 'mqtt.client.auth.cert_file', value: certPath, levels: ['mutual'] },
    { key: 'mqtt.client.auth.key_file', value: keyPath, levels: ['mutual'] },
  ]);
}

/** A setting that this command manages, unless somebody has given it another value. */
interface OwnSetting {
  readonly key: PathKey;
  readonly value: string;
  /** Levels at which it is set. */
  readonly levels: readonly SecurityLevel[];
}

function ownSettings(level: SecurityLevel, { settings }: Site, own: readonly OwnSetting[]): PathChange[] {
  return own
    .filter(({ key, value }) => settings.get(key) === undefined || settings.get(key) === value)
    .map(({ key, value, levels }) => ({ key, value: levels.includes(level) ? value : undefined }));
}
