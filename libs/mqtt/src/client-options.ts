import type { IClientOptions } from 'mqtt';
import type { MqttSessionOptions, MqttWill } from './mqtt-session.js';
import type { MqttCredentials } from './port.js';

// A dead peer is noticed after 1.5 times this; a message handler (20 s) must fit in between two pings.
const defaultKeepAliveSeconds = 60;
const connectDeadlineMs = 10_000;
/** MQTT 5.0 §3.1.2.11.2: the session does not expire. */
const neverExpires = 0xffff_ffff;

export type ConnectOptions = Pick<
  MqttSessionOptions,
  'protocolVersion' | 'isDurable' | 'expirySeconds' | 'keepAliveSeconds' | 'will' | 'window'
>;

/** What MQTT.js needs for one connection without a memory of its own. */
export function clientOptions(
  clientId: string,
  options: ConnectOptions,
  credentials: Partial<MqttCredentials>,
): IClientOptions {
  const { protocolVersion = 4, isDurable, keepAliveSeconds = defaultKeepAliveSeconds, will } = options;
  return {
    ...credentials,
    clientId,
    clean: !isDurable,
    protocolVersion,
    keepalive: keepAliveSeconds,
    connectTimeout: connectDeadlineMs,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    // Otherwise MQTT.js keeps a Buffer for each number up to 65,535. They take 8 MB, and making one takes no time.
    writeCache: false,
    ...(will === undefined ? {} : { will: willPacket(will) }),
    ...(protocolVersion === 5 ? { properties: sessionProperties(options) } : {}),
  };
}

function willPacket({ topic, payload, qos = 1, retain = false }: MqttWill): NonNullable<IClientOptions['will']> {
  return { topic, payload: Buffer.from(payload), qos, retain };
}

function sessionProperties({ isDurable, expirySeconds = neverExpires, window = 1 }: ConnectOptions) {
  return { sessionExpiryInterval: isDurable ? expirySeconds : 0, receiveMaximum: window };
}
