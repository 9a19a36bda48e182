export { bundleProgram } from './bundle-program.js';
export { type Daemon, type DaemonOptions, startDaemon } from './daemon.js';
export { DeliveryLedger } from './delivery-ledger.js';
export { freePort, freePorts } from './free-port.js';
export { OcfDevice, type OcfDeviceOptions, ocfDeviceProgram } from './ocf-device.js';
export { onProcessExit } from './process-exit.js';
export { RawConnection, type RawResponse, type RawTarget } from './raw-connection.js';
export {
  connectPacket,
  pingPacket,
  publishPacket,
  RawMqtt,
  type RawMqttMessage,
  type RawMqttPublish,
  type RawMqttSession,
  type RawMqttTarget,
  subscribePacket,
} from './raw-mqtt.js';
export { mustRun, type ProgramResult, type RunOptions, runProgram } from './run-program.js';
export { type MosquittoOptions, spawnMosquitto, spawnNginx, spawnRedis } from './servers.js';
export { shippedNodeFlags } from './shipped-flags.js';
export { type TemporaryDirectory, temporaryDirectory } from './temporary-directory.js';
export {
  type CertificateOptions,
  type KeyKind,
  keyKinds,
  type SubjectAttribute,
  TestCa,
  type TestCertificate,
} from './test-ca.js';
export { TestClock } from './test-clock.js';
export { type WaitOptions, waitFor } from './wait-for.js';
