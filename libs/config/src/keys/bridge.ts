import { positiveDuration } from '../durations.js';
import { setting } from '../setting.js';
import { integerFrom, oneOf } from '../value-type.js';

const window = integerFrom('Window', 'a whole number from 1 to 32767', { least: 1, most: 32_767 });
const sessions = integerFrom('Sessions', 'a whole number from 1 to 16', { least: 1, most: 16 });

/** The bridges to the clouds, beyond what thin-edge.io has settings for. */
export const bridgeKeys = {
  'mqtt.bridge.window': setting(window, {
    doc: 'Messages of QoS 1 that a bridge may have on their way to a broker, not yet acknowledged. A broker may allow fewer. With a long way to the cloud, messages per second are at most this many per round trip.',
    default: 4_096,
    examples: ['1000'],
    isOwn: true,
  }),
  'mqtt.bridge.stall_timeout': setting(positiveDuration, {
    doc: 'A broker that leaves a message of a bridge unacknowledged for so long is disconnected and connected again. Nothing is lost.',
    default: '30s',
    examples: ['30s'],
    isOwn: true,
  }),
  'mqtt.bridge.cloud_version': setting(oneOf('MqttVersion', ['3.1.1', '5']), {
    doc: 'MQTT version that a bridge speaks to Azure, AWS and user-defined mappers. Cumulocity always gets 3.1.1.',
    default: '3.1.1',
    examples: ['3.1.1', '5'],
    isOwn: true,
  }),
  'mqtt.bridge.cloud_sessions': setting(sessions, {
    doc: 'MQTT sessions over which a bridge spreads what it sends to the broker of a user-defined mapper, by topic, so that the order in each topic stays. The broker must admit client ids that begin with the device id and end in `-egress-2` and so on.',
    default: 1,
    examples: ['1', '4'],
    isOwn: true,
  }),
} as const;
