import { ruleText } from '@sallyport/bridge-rules';
import type { BridgeDescription, BridgeState as BridgeStatus } from '@sallyport/protocol';
import type { BridgePlan } from '../bridging/bridge-plan.js';
import type { BridgeFigures, BridgeState, RuleFigures, SideName, SideState } from '../plane/bridge-types.js';

/** When a half was connected, or lost its connection; empty before that. */
export interface HalfHistory {
  readonly since?: Date;
}

const nothing = { inFlight: 0, held: 0, heldBytes: 0, oldestUnacknowledgedMs: 0, unmapped: 0, stalls: 0 };

/** Of a bridge that has not run yet. */
export const noFigures: BridgeFigures = {
  rules: [],
  directions: { outbound: nothing, inbound: nothing },
  connections: { local: 0, remote: 0 },
};

/** What is known about a bridge. */
export interface BridgeKnowledge {
  readonly plan: BridgePlan;
  readonly status: BridgeStatus;
  readonly since: Date;
  readonly state: BridgeState;
  readonly halves: Readonly<Record<SideName, HalfHistory>>;
  readonly figures: BridgeFigures;
}

/** A bridge for the admin API. */
export function describeBridge({ plan, status, since, state, halves, figures }: BridgeKnowledge): BridgeDescription {
  const { outbound, inbound } = figures.directions;
  return {
    name: plan.name,
    service: plan.service,
    state: status,
    since: since.toISOString(),
    local: half(state.local, halves.local),
    remote: half(state.remote, halves.remote),
    oldestUnackedMs: Math.round(Math.max(outbound.oldestUnacknowledgedMs, inbound.oldestUnacknowledgedMs)),
    inFlight: { outbound: outbound.inFlight, inbound: inbound.inFlight },
    rules: plan.rules.rules.map((rule) => {
      const counted = figures.rules.filter((one) => one.rule === rule.name);
      const forwarded = counted.reduce((sum, one) => sum + one.forwarded, 0);
      return { rule: ruleText(rule), direction: rule.direction, forwarded, dropped: droppedBy(counted) };
    }),
  };
}

function half({ status, failure }: SideState, { since }: HalfHistory): BridgeDescription['local'] {
  return {
    isConnected: status === 'connected',
    ...(since === undefined ? {} : { since: since.toISOString() }),
    ...(failure === undefined ? {} : { fault: failure }),
  };
}

/** By reason; those that did not occur are left out. */
function droppedBy(rules: readonly RuleFigures[]): Record<string, number> {
  const dropped: Record<string, number> = {};
  for (const [reason, count] of rules.flatMap((rule) => Object.entries(rule.dropped)))
    if (count > 0) dropped[reason] = (dropped[reason] ?? 0) + count;
  return dropped;
}
