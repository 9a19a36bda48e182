/** What all connections of one owner may take of one turn of the event loop, in milliseconds. */
const mostMsOfTurn = 2;
const leastMsOfTurn = 0.1;
/** An owner gets less of a turn while turns take longer than this. */
const longTurnMs = 10;
const mostRestMs = 50;
/** What a byte costs after it was read, for each receiver: it is copied, sent, kept on disk. */
const msOfByte = 1e-6;
/** How long an owner counts as present after its last packets. */
const presentMs = 1_000;

/**
 * Divides the turns of the event loop. One read of a flooding client holds thousands of packets, and libuv reads up to 32
 * times from one socket before it looks at the next. So the connections of an owner that has used its part of a turn wait
 * for the next one, and everybody else is served before. An owner is an identity, or else a network.
 *
 * Packets cost more than the time to read them: services work on them, and their memory is collected. So when others are
 * present, a flooding owner also rests for as long as its turn took. Half of the time is left for the others.
 */
export class TurnBudget {
  private usedMs = 0;
  private partMs = mostMsOfTurn;
  /** Undefined while the owner has used nothing of a turn. */
  private startedAt: number | undefined;
  private waiting: (() => void)[] = [];

  constructor(private readonly budgets: TurnBudgets) {}

  /** True when the owner has used its part of this turn. */
  get isSpent(): boolean {
    return this.usedMs >= this.partMs;
  }

  spend(milliseconds: number): void {
    this.usedMs += milliseconds;
    if (this.startedAt !== undefined) return;
    this.startedAt = this.budgets.now();
    setImmediate(() => this.endTurn());
  }

  /** The owner has published so many bytes, over all receivers. */
  spendBytes(bytes: number): void {
    this.spend(bytes * msOfByte);
  }

  /** Calls back in a turn in which the owner has time left. */
  wait(resume: () => void): void {
    this.waiting.push(resume);
  }

  private endTurn(): void {
    const now = this.budgets.now();
    const turnMs = now - (this.startedAt ?? now);
    if (!this.isSpent) this.budgets.notePresent(this);
    else if (this.budgets.isAnotherPresent(this)) {
      const factor = turnMs > longTurnMs ? 1 / 2 : 5 / 4;
      this.partMs = Math.min(mostMsOfTurn, Math.max(leastMsOfTurn, this.partMs * factor));
      setTimeout(() => this.startTurn(), Math.min(turnMs, mostRestMs));
      return;
    } else this.partMs = mostMsOfTurn;
    this.startTurn();
  }

  private startTurn(): void {
    this.usedMs = 0;
    this.startedAt = undefined;
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

interface Presence {
  readonly budget: TurnBudget;
  readonly at: number;
}

/** The budgets of all owners that are connected. */
export class TurnBudgets {
  private readonly entries = new Map<string, { readonly budget: TurnBudget; connections: number }>();
  /** The two owners that were served last without a flood: one of them is not the one that asks. */
  private latest: Presence | undefined;
  private former: Presence | undefined;

  /** @param now milliseconds that only go forward */
  constructor(readonly now: () => number = () => performance.now()) {}

  /** Each call needs one `release`. */
  acquire(owner: string): TurnBudget {
    const entry = this.entries.get(owner) ?? { budget: new TurnBudget(this), connections: 0 };
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

  /** The owner had packets, and fewer than fill its part of a turn. */
  notePresent(budget: TurnBudget): void {
    if (this.latest?.budget !== budget) this.former = this.latest;
    this.latest = { budget, at: this.now() };
  }

  /** Whether an owner that does not flood was served lately. Floods alone leave no time unused. */
  isAnotherPresent(budget: TurnBudget): boolean {
    const another = this.latest?.budget === budget ? this.former : this.latest;
    return another !== undefined && this.now() - another.at < presentMs;
  }
}

// Looking at the clock costs as much as a small item.
const itemsBetweenLooks = 50;

/**
 * Works on many items. Others are served when the owner has used its part of a turn.
 *
 * @param work returns false to stop
 * @param budget of the owner; default one for this work alone
 */
export async function inTurns<Item>(
  items: readonly Item[],
  work: (item: Item) => boolean | Promise<boolean>,
  budget = new TurnBudgets().acquire(''),
): Promise<void> {
  let lookedAt = performance.now();
  for (const [index, item] of items.entries()) {
    const goesOn = work(item);
    if (!(typeof goesOn === 'boolean' ? goesOn : await goesOn)) return;
    if (index % itemsBetweenLooks !== itemsBetweenLooks - 1) continue;
    budget.spend(performance.now() - lookedAt);
    if (budget.isSpent) await new Promise<void>((resume) => budget.wait(resume));
    lookedAt = performance.now();
  }
}
