/** What a program needs that is no service: a session of its own, without requests and events. */
export { ConnectionLost } from './broker-connection.js';
export { openMqttSession } from './connect.js';
export { ConnectionRefused, type MqttMessage, type MqttSession } from './mqtt-session.js';
