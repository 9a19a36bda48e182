import type { ConnectRefusal } from '@sallyport/protocol';
import { reasonCodes } from './reason-codes.js';

/** A packet that must not be served. Its sender is disconnected; the message holds nothing secret. */
export class PacketError extends Error {
  /** @param reasonCode what an MQTT 5 peer is told in CONNACK or DISCONNECT */
  constructor(
    message: string,
    readonly reasonCode: number,
  ) {
    super(message);
    this.name = 'PacketError';
  }
}

/** Why the first packet of a client is refused, in the words of the admin API. */
export function connectRefusalOf({ reasonCode }: PacketError): ConnectRefusal {
  switch (reasonCode) {
    case reasonCodes.packetTooLarge:
      return 'connect-too-large';
    case reasonCodes.unsupportedProtocolVersion:
      return 'version-unknown';
    default:
      return 'connect-malformed';
  }
}

/** For bytes that break the format of a packet. */
export function malformed(message: string): PacketError {
  return new PacketError(message, reasonCodes.malformedPacket);
}

/** For packets that are well formed, and that the sender must not send, or not now. */
export function protocolError(message: string): PacketError {
  return new PacketError(message, reasonCodes.protocolError);
}
