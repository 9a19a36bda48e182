import { z } from 'zod';
import type { AdminRoute } from './admin-route.js';

/**
 * Why the MQTT entrance refused the CONNECT of a client that its listener had let in. The code is stable: it is a metric
 * label, a log field and a field of `status`.
 */
export const connectRefusals = {
  'connect-late': {
    meaning: 'The client sent no complete CONNECT in time.',
    remedy: 'Check the network path, and that the client speaks MQTT on this port.',
  },
  'connect-malformed': {
    meaning: 'The first packet of the client is no valid CONNECT of MQTT 3.1, 3.1.1 or 5.',
    remedy: 'Check that the client speaks MQTT on this port. The detail says what is wrong.',
  },
  'connect-too-large': {
    meaning: 'The CONNECT is larger than the entrance reads.',
    remedy: 'Use a shorter will message, and fewer user properties.',
  },
  'version-unknown': {
    meaning: 'The client asks for a version of MQTT other than 3.1, 3.1.1 and 5.',
    remedy: 'Set the client to MQTT 3.1.1 or 5.',
  },
  'client-id-not-valid': {
    meaning: 'The client id is empty where it must not be, or too long.',
    remedy: 'Give the client an id, or let it ask for a clean session.',
  },
  'will-not-permitted': {
    meaning: 'The client may not publish to the topic of its will.',
    remedy: 'Use a topic of this device, such as te/device/ID/..., or give it the right in the access rules.',
  },
  'authentication-method': {
    meaning: 'The client asks for an authentication method of MQTT 5. There is none: the certificate is the proof.',
    remedy: 'Remove the authentication method from the settings of the client.',
  },
  'sessions-full': {
    meaning:
      'There is no room to keep another session: the client has used its share, or all clients have used theirs.',
    remedy: 'Use the same client id again, a clean session, or a session expiry.',
  },
  'journal-failing': {
    meaning: 'The embedded broker cannot write its journal, so it can keep no session.',
    remedy: 'Make room on the disk of data.path. The log of mqtt-broker has the error.',
  },
  'broker-unavailable': {
    meaning: 'The broker behind the entrance does not answer.',
    remedy: 'Start it, or correct mqtt.broker.url. The detail says what went wrong.',
  },
  'broker-refused': {
    meaning: 'The broker behind the entrance refused the client.',
    remedy: 'Check its configuration: sallyport mqtt broker-config. The detail has the code of its answer.',
  },
} as const satisfies Record<string, { meaning: string; remedy: string }>;

export type ConnectRefusal = keyof typeof connectRefusals;

export const connectRefusalCodes: readonly ConnectRefusal[] = Object.keys(connectRefusals).filter(isConnectRefusal);

/** True for a code of the table above. */
export function isConnectRefusal(code: string): code is ConnectRefusal {
  return Object.hasOwn(connectRefusals, code);
}

const count = z.number().int().min(0);

const brokerHoldings = z.strictObject({
  /** Sessions that are open, or kept for clients that are away. */
  sessions: count,
  /** Bytes of messages that their receivers have not acknowledged. */
  queuedBytes: count,
  retainedMessages: count,
  /** Size of the journal on disk; 0 without one. */
  journalBytes: count,
});

const brokerStatus = z.strictObject({
  /** What serves behind the entrance: the embedded broker of this process, or another broker. */
  behind: z.enum(['embedded', 'other']),
  /** The back side of another broker: `mqtt.broker.url`. */
  url: z.string().optional(),
  /** Where the embedded broker serves the services of other processes: `mqtt.broker.socket`. */
  socket: z.string().optional(),
  /** Whether the broker answered last. */
  isReachable: z.boolean(),
  /** What went wrong when it was last asked; absent while it is reachable. */
  fault: z.string().optional(),
  /** Sessions of network clients that are open now. */
  sessions: count,
  /** Sessions since the start. */
  opened: count,
  /** CONNECTs refused since the start, by reason; reasons that did not occur are left out. */
  refusals: z.partialRecord(z.enum(connectRefusalCodes), z.number().int().min(1)),
  /** What the embedded broker holds; of another broker the entrance does not know it. */
  holds: brokerHoldings.optional(),
});
export type BrokerStatus = z.infer<typeof brokerStatus>;

/** The MQTT broker in the admin API of its service. */
export const mqttBrokerRoutes = {
  status: {
    method: 'GET',
    path: '/v1/broker',
    summary:
      'Tells which broker serves behind the MQTT entrance, whether it answers, its sessions and refused clients.',
    response: brokerStatus,
  },
} as const satisfies Record<string, AdminRoute>;
