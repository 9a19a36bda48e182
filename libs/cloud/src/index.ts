export {
  type CloudConnection,
  type CloudCredentials,
  type CloudSettingNames,
  cloudConnection,
  type HostAndPort,
  type HttpProxy,
  type IdentityFiles,
} from './cloud-connection.js';
export { builtInClouds, type CloudKind, type CloudName, cloudConnections, parseCloudName } from './cloud-name.js';
export { placeText } from './host-and-port.js';
