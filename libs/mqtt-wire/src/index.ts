export {
  encodeAck,
  encodeConnack,
  encodeConnect,
  encodeGrants,
  encodePacket,
  encodePing,
  encodePublish,
  encodeReason,
  encodeSubscribe,
  encodeUnsubscribe,
} from './encode.js';
export { PacketError } from './packet-error.js';
export { PacketReader, type PacketReaderOptions } from './packet-reader.js';
export type {
  AckPacket,
  ConnackPacket,
  ConnectPacket,
  MqttPacket,
  PacketType,
  PingPacket,
  ProtocolVersion,
  PublishPacket,
  Qos,
  ReasonPacket,
  RetainHandling,
  SubackPacket,
  SubscribePacket,
  SubscriptionRequest,
  UnsubackPacket,
  UnsubscribePacket,
  Will,
} from './packets.js';
export type { Properties, UserProperty } from './properties.js';
export { markDuplicate, PublishFrame } from './publish-frame.js';
export { type FirstPacket, type ReadConnectOptions, readConnect } from './read-connect.js';
export { connectReturnCode, reasonCodes } from './reason-codes.js';
export { isWireText } from './text.js';
