export {
  encodeAck,
  encodeConnack,
  encodeConnect,
  encodeConnectRefusal,
  encodeGrants,
  encodePacket,
  encodePing,
  encodeProperties,
  encodePublish,
  encodeReason,
} from './encode.js';
export { sizeOfVariableInteger, writeVariableInteger } from './frame-writer.js';
export { connectRefusalOf, PacketError, protocolError } from './packet-error.js';
export { PacketReader, type PacketReaderOptions } from './packet-reader.js';
export type {
  AckPacket,
  ConnackPacket,
  ConnectPacket,
  MqttPacket,
  PacketType,
  ProtocolVersion,
  PublishPacket,
  Qos,
  ReasonPacket,
  SubackPacket,
  SubscribePacket,
  SubscriptionRequest,
  UnsubackPacket,
  UnsubscribePacket,
  Will,
} from './packets.js';
export type { Properties } from './properties.js';
export { markDuplicate, PublishFrame } from './publish-frame.js';
export { type FramePlace, PublishView, publishTypeNumber } from './publish-view.js';
export { reasonCodes } from './reason-codes.js';
export { Answers } from './server/answers.js';
export { ClientLog, type ClientLogOptions } from './server/client-log.js';
export { type Frame, pubackFrame, pubrelFrame, wholeFrame } from './server/frame.js';
export {
  type Overdue,
  PacketConnection,
  type PacketConnectionLimits,
  type PacketConnectionOptions,
  type PacketConnectionUser,
} from './server/packet-connection.js';
export { answerRefused, reasonCodeOfRefusal } from './server/refusal-answer.js';
export { inTurns, type TurnBudget, TurnBudgets } from './server/turn-budget.js';
export { TurnWriter } from './server/turn-writer.js';
