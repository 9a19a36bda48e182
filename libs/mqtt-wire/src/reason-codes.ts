/**
 * Reason codes of MQTT 5. The older versions have none but those of CONNACK; `connectReturnCode` translates these.
 *
 * @see MQTT 5.0 §2.4
 */
export const reasonCodes = {
  success: 0x00,
  grantedQos1: 0x01,
  grantedQos2: 0x02,
  disconnectWithWill: 0x04,
  noMatchingSubscribers: 0x10,
  noSubscriptionExisted: 0x11,
  continueAuthentication: 0x18,
  reauthenticate: 0x19,
  unspecifiedError: 0x80,
  malformedPacket: 0x81,
  protocolError: 0x82,
  implementationSpecificError: 0x83,
  unsupportedProtocolVersion: 0x84,
  clientIdNotValid: 0x85,
  badUserNameOrPassword: 0x86,
  notAuthorized: 0x87,
  serverUnavailable: 0x88,
  serverBusy: 0x89,
  banned: 0x8a,
  serverShuttingDown: 0x8b,
  badAuthenticationMethod: 0x8c,
  keepAliveTimeout: 0x8d,
  sessionTakenOver: 0x8e,
  topicFilterInvalid: 0x8f,
  topicNameInvalid: 0x90,
  packetIdInUse: 0x91,
  packetIdNotFound: 0x92,
  receiveMaximumExceeded: 0x93,
  topicAliasInvalid: 0x94,
  packetTooLarge: 0x95,
  messageRateTooHigh: 0x96,
  quotaExceeded: 0x97,
  administrativeAction: 0x98,
  payloadFormatInvalid: 0x99,
  retainNotSupported: 0x9a,
  qosNotSupported: 0x9b,
  useAnotherServer: 0x9c,
  serverMoved: 0x9d,
  sharedSubscriptionsNotSupported: 0x9e,
  connectionRateExceeded: 0x9f,
  maximumConnectTime: 0xa0,
  subscriptionIdsNotSupported: 0xa1,
  wildcardSubscriptionsNotSupported: 0xa2,
} as const;

const returnCodeByReason: ReadonlyMap<number, number> = new Map([
  [reasonCodes.success, 0],
  [reasonCodes.unsupportedProtocolVersion, 1],
  [reasonCodes.clientIdNotValid, 2],
  [reasonCodes.serverUnavailable, 3],
  [reasonCodes.serverBusy, 3],
  [reasonCodes.serverShuttingDown, 3],
  [reasonCodes.quotaExceeded, 3],
  [reasonCodes.connectionRateExceeded, 3],
  [reasonCodes.badUserNameOrPassword, 4],
  [reasonCodes.notAuthorized, 5],
  [reasonCodes.banned, 5],
]);

/**
 * The CONNACK return code of MQTT 3.1 and 3.1.1 that says the same as a reason code.
 *
 * @returns undefined where there is none; the server then closes the connection without a CONNACK
 * @see MQTT 3.1.1 §3.2.2.3 [MQTT-3.2.2-6]
 */
export function connectReturnCode(reasonCode: number): number | undefined {
  return returnCodeByReason.get(reasonCode);
}
