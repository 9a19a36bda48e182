export {
  encodeAck,
  encodeConnack,
  encodeConnect,
  encodeConnectRefusal,
  encodeGrants,
  encodePacket,
  encodePing,
  encodePublish,
  encodeReason,
} from './encode.js';
export { connectRefusalOf, PacketError } from './packet-error.js';
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
  SubscribePacket,
  SubscriptionRequest,
  UnsubscribePacket,
  Will,
} from './packets.js';
export type { Properties } from './properties.js';
export { markDuplicate, PublishFrame } from './publish-frame.js';
export { reasonCodes } from './reason-codes.js';
