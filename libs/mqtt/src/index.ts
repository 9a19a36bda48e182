export { connectMqtt, type MqttOptions, openMqttSession } from './connect.js';
export { type EventSubscriptionOptions, publishEvent, subscribeEvent } from './events.js';
export {
  type MessageProperties,
  type MqttMessage,
  MqttSession,
  type MqttSessionOptions,
  type MqttWill,
  PublishRefused,
  type SessionFilter,
  type SessionPublishOptions,
  type SessionStart,
} from './mqtt-session.js';
export {
  type MessageHandler,
  Mqtt,
  type MqttConnection,
  type MqttCredentials,
  type MqttSubscription,
  type PublishOptions,
  type SubscriptionOptions,
  type TlsMaterial,
} from './port.js';
export {
  type CallOptions,
  connectRpcClient,
  type OpenRpcClient,
  RpcClient,
  type RpcClientOptions,
} from './rpc-client.js';
export { RpcHandler } from './rpc-handler.js';
export { MqttRpcServer, mqttRpcServer, type RpcServerOptions } from './rpc-server.js';
export { openTransport } from './transport.js';
