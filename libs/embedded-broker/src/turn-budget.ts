/** What all connections of one owner may take of one turn of the event loop, in milliseconds. */
const mostMsOfTurn = 2;

/**
 * Divides the turns of the event loop. One read of a flooding client holds thousands of packets, and libuv reads up to 32
 * times from one socket before it looks at the next. So the connections of an owner that has used its part of a turn wait
 * for the next one, and everybody else is served before. An owner is an identity, or else a network.
 */
export class TurnBudget {
  private usedMs = 0;
  private waiting: (() => void)[] = [];

  /** True when the owner has used its part of this turn. */
  get isSpent(): boolean {
    return this.usedMs >= mostMsOfTurn;
  }

  spend(milliseconds: number): void {
    if (this.usedMs === 0) setImmediate(() => this.startTurn());
    this.usedMs += milliseconds;
  }

  /** Calls back in a turn in which the owner has time left. */
  wait(resume: () => void): void {
    this.waiting.push(resume);
  }

  private startTurn(): void {
    this.usedMs = 0;
    const { waiting } = this;
    this.waiting = [];
    // Those who find nothing left wait at the end of the queue: all connections of an owner get their turn.
    for (const [index, resume] of waiting.entries()) {
      if (this.isSpent) {
        this.waiting.unshift(...waiting.slice(index));
        return;
      }
      resume();
    }
  }
}

/** The budgets of all owners that are connected. */
export class TurnBudgets {
  private readonly entries = new Map<string, { readonly budget: TurnBudget; connections: number }>();

  /** Each call needs one `release`. */
  acquire(owner: string): TurnBudget {
    const entry = this.entries.get(owner) ?? { budget: new TurnBudget(), connections: 0 };
    entry.connections += 1;
    this.entries.set(owner, entry);
    return entry.budget;
  }

  release(owner: string): void {
    const entry = this.entries.get(owner);
    if (entry === undefined) return;
    entry.connections -= 1;
    if (entry.connections === 0) this.entries.delete(owner);
  }
}
