import { z } from 'zod';
import { clientCa, clientCaCertificate } from './client-ca.js';
import { connectorName, connectorSettings } from './connector-settings.js';
import type { EventContract } from './events.js';
import { defineRpc, rpcTopic, serviceTopicRoot } from './rpc.js';

/** Most Client CAs of one connector. */
export const mostClientCas = 64;

/** A connector as it is in force, or as a draft would make it. */
export const connectorDocument = z.strictObject({
  name: connectorName,
  /** 1, 2, 3 and so on: one more with each save. */
  version: z.int().positive(),
  settings: connectorSettings,
  clientCas: z.array(clientCa).max(mostClientCas),
});
export type ConnectorDocument = z.infer<typeof connectorDocument>;

const connectorView = z.strictObject({
  name: connectorName,
  settings: connectorSettings.pick({ domains: true, provisioning: true, pki: true, resources: true }),
  clientCas: z.array(
    clientCa.pick({ id: true, provision: true, login: true, sessions: true, existingUntil: true }).extend({
      /** DER, base64. */
      certificates: z.array(clientCaCertificate.shape.der),
    }),
  ),
});
export type ConnectorView = z.infer<typeof connectorView>;

const connectorsVersion = z.int().min(0);

/** What listeners of devices must know. The default connector comes first. */
export const describeConnectors = defineRpc({
  pattern: rpcTopic('device-registry', 'describe-connectors'),
  request: z.strictObject({}),
  response: z.strictObject({ version: connectorsVersion, connectors: z.array(connectorView) }),
});
export type ConnectorDirectory = z.infer<(typeof describeConnectors)['response']>;

/** A listener that has been silent for longer counts as gone. It reports about three times as often. */
export const listenerSilenceSeconds = 45;

/**
 * A listener of devices tells which version it applies, at once after each change and at least every 15 s. A save waits
 * for the listeners that are there. The answer holds the newest version, in case its event was lost.
 */
export const reportConnectorsVersion = defineRpc({
  pattern: rpcTopic('device-registry', 'report-connectors-version'),
  request: z.strictObject({
    /** Drawn at random when the process starts. */
    listener: z.string().regex(/^[0-9a-f]{32}$/, 'is not 32 digits of lower-case hexadecimal'),
    version: connectorsVersion,
    /** The process stops: do not wait for it. */
    leaves: z.boolean().default(false),
  }),
  response: z.strictObject({ version: connectorsVersion }),
});

/** Connectors, Client CAs or their revocation lists changed: ask again, and forget remembered answers. */
export const connectorsChanged = {
  topic: `${serviceTopicRoot}/event/connectors-changed`,
  payload: z.strictObject({ version: connectorsVersion }),
} satisfies EventContract<z.ZodType>;
