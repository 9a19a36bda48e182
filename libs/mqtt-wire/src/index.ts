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
