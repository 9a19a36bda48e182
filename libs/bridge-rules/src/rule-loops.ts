import type { RuleFault } from './rule-fault.js';
import { type BridgeRule, forwards, sourceFilter, type Travel, targetFilter } from './rule-set.js';
import { filterIntersection } from './topic-sets.js';

/** A way back: what `outbound` publishes to the cloud comes in by `inbound`, and goes out by `again`. */
interface Step {
  readonly outbound: number;
  readonly inbound: number;
  readonly again: number;
}

/**
 * Finds rules that would send a message round and round: what goes out by one comes in by another one and goes out again.
 * A bidirectional rule is no loop with itself, because the bridge recognises its echoes.
 *
 * @returns one fault for each rule that a loop begins with
 */
export function loopFaults(rules: readonly BridgeRule[]): RuleFault[] {
  const steps = Map.groupBy(stepsOf(rules), ({ outbound }) => outbound);
  const faults: RuleFault[] = [];
  for (const [start, first] of steps) {
    const closing = first.find(({ again }) => again === start || leadsTo(steps, again, start));
    const [outbound, inbound] = [rules[start], closing === undefined ? undefined : rules[closing.inbound]];
    if (outbound !== undefined && inbound !== undefined) faults.push(loopFault(outbound, inbound));
  }
  return faults;
}

function loopFault(outbound: BridgeRule, inbound: BridgeRule): RuleFault {
  const back = `${inbound.origin.file}, line ${inbound.origin.line}`;
  const sends = `what this rule sends to "${outbound.remoteFilter}" comes back by the rule for "${inbound.remoteFilter}" (${back})`;
  const message = `${sends}, and goes out again, for ever. Narrow one of them, or write one rule with direction = "bidirectional".`;
  return { ...outbound.origin, message };
}

function stepsOf(rules: readonly BridgeRule[]): Step[] {
  const [outbound, inbound] = [numbered(rules, 'outbound'), numbered(rules, 'inbound')];
  return outbound.flatMap(([from, sender]) =>
    inbound.flatMap(([by, receiver]) => {
      const local = from === by ? undefined : comingBack(sender, receiver);
      if (local === undefined) return [];
      const again = outbound.filter(([, rule]) => filterIntersection(local, rule.localFilter) !== undefined);
      return again.map(([index]) => ({ outbound: from, inbound: by, again: index }));
    }),
  );
}

function numbered(rules: readonly BridgeRule[], travel: Travel): [number, BridgeRule][] {
  return [...rules.entries()].filter(([, rule]) => forwards(rule, travel));
}

/** The local topics on which messages of one rule arrive by another one. */
function comingBack(sender: BridgeRule, receiver: BridgeRule): string | undefined {
  const remote = filterIntersection(targetFilter(sender, 'outbound'), sourceFilter(receiver, 'inbound'));
  return remote === undefined ? undefined : receiver.localPrefix + remote.slice(receiver.remotePrefix.length);
}

function leadsTo(steps: ReadonlyMap<number, readonly Step[]>, from: number, goal: number): boolean {
  const seen = new Set([from]);
  // A set may grow while it is walked.
  for (const rule of seen)
    for (const { again } of steps.get(rule) ?? []) {
      if (again === goal) return true;
      seen.add(again);
    }
  return false;
}
