export type {
  CloudConnection,
  CloudCredentials,
  CloudSettingNames,
  HostAndPort,
  HttpProxy,
  IdentityFiles,
} from './cloud-connection.js';
export type { CloudFault, CloudFaultCode } from './cloud-fault.js';
export { cloudConnections, parseCloudName } from './cloud-name.js';
export { type DialDeadlines, type DialOptions, dialCloud } from './dial-cloud.js';
export { CloudDialError, type DialStage } from './dial-error.js';
export { type ExplainOptions, explainCloudFault } from './explain-cloud-fault.js';
export { commandToSetHost } from './fault-case.js';
export { hostFieldOf, placeText } from './host-and-port.js';
export { type MqttLogin, mqttLogin } from './mqtt-login.js';
export { cloudConnection } from './read-connection.js';
export { serverTimeOver } from './server-time.js';
export { smartRestLine } from './smart-rest.js';
export { type RootPlace, readRoots, rootFiles } from './trusted-roots.js';
