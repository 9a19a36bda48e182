export { type MqttBridgeOptions, mqttBridge } from './bridge-service.js';
export { Bridge } from './plane/bridge.js';
export { ConnectRefused, SideFault } from './plane/bridge-fault.js';
export type {
  BridgeClock,
  BridgeFigures,
  BridgeLimits,
  BridgeNotice,
  BridgeOptions,
  BridgeRules,
  BridgeSide,
  BridgeState,
  ConnectTerms,
  Direction,
  DirectionFigures,
  DropReason,
  Greeting,
  MappedTopic,
  RuleFigures,
  SideName,
  SideState,
} from './plane/bridge-types.js';
