import { type CloudConnection, placeText } from '@sallyport/cloud';
import { nameOf, type Settings } from '@sallyport/config';
import { Failure } from '../failure.js';

/** What must differ between connections, and the key that says it. */
interface Distinct {
  readonly what: string;
  readonly value: string;
  readonly keys: readonly string[];
}

/**
 * Refuses a connection that would get into the way of another one.
 *
 * @param others connections there are already
 * @throws Failure: both are the same device at the same cloud, or share a topic prefix or the port of the proxy
 */
export function requireDistinct(
  connection: CloudConnection,
  others: readonly CloudConnection[],
  settings: Settings,
): void {
  for (const other of others) {
    const theirs = distinctsOf(other, settings);
    const clash = distinctsOf(connection, settings).flatMap((own) => {
      const same = theirs.find(({ what, value }) => what === own.what && value === own.value);
      return same === undefined ? [] : [{ own, same }];
    })[0];
    if (clash !== undefined) throw clashOf(clash.own, clash.same, other);
  }
}

function clashOf(own: Distinct, same: Distinct, other: CloudConnection): Failure {
  return new Failure(
    `${own.keys.join(' and ')} give this connection the same ${own.what} as ${other.name} has by ${same.keys.join(' and ')}: ${own.value}.`,
    `Give ${own.keys.join(' or ')} another value, or disconnect ${other.name}.`,
  );
}

function distinctsOf(connection: CloudConnection, settings: Settings): Distinct[] {
  const { kind, profile, settingNames, topicPrefix, deviceId, mqtt } = connection;
  const prefixKey =
    kind === 'custom' ? 'bridge.topic_prefix' : nameOf(referenceOf(`${kind}.bridge.topic_prefix`, profile));
  return [
    {
      what: 'device at the same cloud',
      value: `${deviceId} at ${placeText(mqtt)}`,
      keys: [settingNames.mqttHost, settingNames.deviceId],
    },
    { what: 'topic prefix', value: topicPrefix, keys: [prefixKey] },
    ...(kind === 'c8y' ? proxyPort(profile, settings) : []),
  ];
}

/** Port 0 is a free one for each. */
function proxyPort(profile: string | undefined, settings: Settings): Distinct[] {
  const port = settings.ofProfile(profile).require('c8y.proxy.bind.port');
  const keys = [nameOf(referenceOf('c8y.proxy.bind.port', profile))];
  return port === 0 ? [] : [{ what: 'port of the Cumulocity proxy', value: String(port), keys }];
}

type DistinctKey = 'c8y.proxy.bind.port' | `${'c8y' | 'az' | 'aws'}.bridge.topic_prefix`;

function referenceOf(key: DistinctKey, profile: string | undefined) {
  return profile === undefined ? { key } : { key, profile };
}
