interface QuietPeriod {
  readonly untilMs: number;
  leftOut: number;
}

export interface RepeatFilterOptions {
  /** After an event passed, equal ones are left out for this long, in milliseconds. */
  readonly periodMs: number;
  /** How many sources are remembered. Events of all further sources together pass once in a period. */
  readonly mostSources: number;
}

/** Keeps a log readable: of equal events the first one passes, and then one in each period. The others are counted. */
export class RepeatFilter {
  private readonly quietPeriods = new Map<string, QuietPeriod>();
  /** The next time that events of further sources pass. */
  private overflow: QuietPeriod = { untilMs: 0, leftOut: 0 };

  constructor(private readonly options: RepeatFilterOptions) {}

  /**
   * Decides about one event.
   *
   * @param source two events with the same source are equal
   * @param nowMs milliseconds since the epoch
   * @returns how many were left out before it; undefined when this one is left out
   */
  pass(source: string, nowMs: number): number | undefined {
    const { periodMs } = this.options;
    const quiet = this.quietPeriods.get(source) ?? this.quietPeriodFor(nowMs);
    // When the clock was set back, nothing is left out for longer than one period.
    if (quiet !== undefined && nowMs < quiet.untilMs && quiet.untilMs - nowMs <= periodMs) {
      quiet.leftOut += 1;
      return undefined;
    }
    this.quietPeriods.set(source, { untilMs: nowMs + periodMs, leftOut: 0 });
    return quiet?.leftOut ?? 0;
  }

  /** Undefined when one more source can be remembered. Otherwise all further ones share one period. */
  private quietPeriodFor(nowMs: number): QuietPeriod | undefined {
    const { periodMs, mostSources } = this.options;
    if (this.quietPeriods.size < mostSources) return undefined;
    for (const [source, { untilMs }] of this.quietPeriods) if (untilMs <= nowMs) this.quietPeriods.delete(source);
    if (this.quietPeriods.size < mostSources) return undefined;
    const overflow = this.overflow;
    if (overflow.untilMs > nowMs) return overflow;
    this.overflow = { untilMs: nowMs + periodMs, leftOut: 0 };
    const [oldest] = this.quietPeriods.keys();
    if (oldest !== undefined) this.quietPeriods.delete(oldest);
    return overflow;
  }
}
