import { z } from 'zod';
import type { AdminRoute } from './admin-route.js';

const count = z.number().int().min(0);

/** Names a connection as `cloud.connections` does: `c8y`, `c8y@plant2`, `az`, or that of a user-defined mapper. */
const connectionName = z.string().min(1).max(200);

/**
 * `up`: both halves are connected. `down`: one of them is not. `standby`: another replica of the service bridges.
 * `faulty`: settings or rules cannot be used, see `fault`.
 */
export const bridgeState = z.enum(['up', 'down', 'standby', 'faulty']);
export type BridgeState = z.infer<typeof bridgeState>;

const bridgeHalf = z.strictObject({
  isConnected: z.boolean(),
  /** When it was connected, or lost its connection; absent before the first connection. */
  since: z.iso.datetime().optional(),
  /** What went wrong last; absent while it is connected. */
  fault: z.string().optional(),
});

const bridgeRule = z.strictObject({
  /** The rule as people read it: local topic, direction, remote topic. */
  rule: z.string(),
  direction: z.enum(['outbound', 'inbound', 'bidirectional']),
  /** Messages taken by the other side; at QoS 1, acknowledged by it. */
  forwarded: count,
  /** Messages that were not forwarded, by reason; reasons that did not occur are left out. */
  dropped: z.record(z.string(), z.number().int().min(1)),
});

const bridgeDescription = z.strictObject({
  name: connectionName,
  /** The service of thin-edge.io that it stands for: part of client id and health topic. */
  service: z.string(),
  state: bridgeState,
  /** When it came into this state. */
  since: z.iso.datetime(),
  /** Why it is faulty, and what to do. */
  fault: z.string().optional(),
  local: bridgeHalf,
  remote: bridgeHalf,
  /** Age of the oldest message that one side has sent and the other has not acknowledged, in milliseconds; 0 for none. */
  oldestUnackedMs: count,
  /** Messages that one side has sent and the other has not acknowledged. */
  inFlight: z.strictObject({ outbound: count, inbound: count }),
  rules: z.array(bridgeRule),
});
export type BridgeDescription = z.infer<typeof bridgeDescription>;

export const bridgeList = z.strictObject({ bridges: z.array(bridgeDescription) });
export type BridgeList = z.infer<typeof bridgeList>;

/** With `dryRun` nothing changes: the answer says what would. */
export const bridgeReloadRequest = z.strictObject({ dryRun: z.boolean().optional() });
export type BridgeReloadRequest = z.infer<typeof bridgeReloadRequest>;

const bridgeChange = z.strictObject({
  name: connectionName,
  /**
   * `added` and `removed`: the connection itself. `reconnected`: other settings, so it connects anew. `rules`: other rules
   * on the same connection, from one message to the next.
   */
  change: z.enum(['added', 'removed', 'reconnected', 'rules']),
  /** The settings that differ, by name and without their values. */
  settings: z.array(z.string()),
  rules: z.strictObject({ added: z.array(z.string()), removed: z.array(z.string()) }),
});
export type BridgeChange = z.infer<typeof bridgeChange>;

export const bridgeReloadResponse = z.strictObject({
  /** False for a dry run. */
  isApplied: z.boolean(),
  changes: z.array(bridgeChange),
  /** Settings that have changed and that the service only reads when it starts; absent when there are none. */
  restartNeededFor: z.array(z.string()).optional(),
});
export type BridgeReloadResponse = z.infer<typeof bridgeReloadResponse>;

/** The bridges to the clouds in the admin API of their service. */
export const mqttBridgeRoutes = {
  list: {
    method: 'GET',
    path: '/v1/bridges',
    summary: 'Lists the bridges to the clouds: their state, what waits for an acknowledgement, and counters by rule.',
    response: bridgeList,
  },
  reload: {
    method: 'POST',
    path: '/v1/bridges/reload',
    summary: 'Puts in force what settings, rules and certificates say now; a dry run shows what would change.',
    request: bridgeReloadRequest,
    response: bridgeReloadResponse,
  },
} as const satisfies Record<string, AdminRoute>;
