import type { BridgeFigures, Direction, DropReason, RuleFigures, SideName } from './bridge-types.js';

/** The counts of one rule in one direction. */
export class RuleCounters {
  forwarded = 0;
  acknowledged = 0;
  redelivered = 0;
  bytes = 0;
  readonly dropped: Record<DropReason, number> = {
    'too-large': 0,
    refused: 0,
    echo: 0,
    congested: 0,
    expired: 0,
    unmapped: 0,
  };

  /** @param rule undefined for the messages that no rule matches */
  constructor(
    readonly direction: Direction,
    readonly rule: string | undefined,
  ) {}
}

/** All counts of a bridge. They outlive its connections and its rules. */
export class BridgeCounters {
  readonly connections: Record<SideName, number> = { local: 0, remote: 0 };
  readonly stalls: Record<Direction, number> = { outbound: 0, inbound: 0 };
  private readonly byRule = {
    outbound: new Map<string | undefined, RuleCounters>(),
    inbound: new Map<string | undefined, RuleCounters>(),
  };

  of(direction: Direction, rule: string | undefined): RuleCounters {
    const counters = this.byRule[direction].get(rule) ?? new RuleCounters(direction, rule);
    this.byRule[direction].set(rule, counters);
    return counters;
  }

  unmapped(direction: Direction): number {
    return this.byRule[direction].get(undefined)?.dropped.unmapped ?? 0;
  }

  rules(): BridgeFigures['rules'] {
    return [...this.byRule.outbound.values(), ...this.byRule.inbound.values()].flatMap(figuresOf);
  }
}

function figuresOf({ rule, direction, dropped, ...counts }: RuleCounters): RuleFigures[] {
  return rule === undefined ? [] : [{ rule, direction, ...counts, dropped: { ...dropped } }];
}
