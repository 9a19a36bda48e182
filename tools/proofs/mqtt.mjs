// Runs tests of MQTT for so long that they prove what their short form in `npm test` only shows.
import { longForm } from './long-form.mjs';

const kills = 100;
const attackSeconds = 10;

export const broker = longForm({
  name: 'broker',
  says: `kill -9 of each broker, ${kills} times under 2,000 QoS 1 messages a second: nothing is lost`,
  file: 'broker-crash',
  env: { SALLYPORT_CRASHES: String(kills) },
  fault: 'a broker lost what it had acknowledged.',
});

export const bridge = longForm({
  name: 'bridge',
  says: `kill -9 of bridge and brokers, ${kills} times each under 2,000 QoS 1 messages a second: nothing is lost`,
  file: 'bridge-crash',
  env: { SALLYPORT_CRASHES: String(kills) },
  fault: 'a message of the bridge was lost, came too early, or came too often.',
});

export const connector = longForm({
  name: 'connector',
  says: `kill -9 of registry and connector, ${kills} times while devices make contact and write: nothing is lost or twice`,
  file: 'connector-crash',
  env: { SALLYPORT_CRASHES: String(kills) },
  fault: 'an acknowledged write was lost, or an event was told twice.',
});

export const mqttHostile = longForm({
  name: 'mqtt-hostile',
  says: `hostile MQTT clients, ${attackSeconds} s each: bounded memory, and others wait at most 50 ms longer`,
  file: 'mqtt-hostile',
  env: { SALLYPORT_ATTACK_SECONDS: String(attackSeconds) },
  fault: 'a hostile client slowed others down, or took too much memory.',
});
