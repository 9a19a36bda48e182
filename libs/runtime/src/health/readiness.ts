import { within } from '@sallyport/concurrency';

/** Checks one dependency of the service. Returns undefined if it works, otherwise one line that says what is wrong. */
export type ReadinessCheck = () => string | undefined | Promise<string | undefined>;

export interface ReadinessReport {
  readonly ready: boolean;
  /** What is wrong, by dependency. */
  readonly faults: Readonly<Record<string, string>>;
}

// A kubelet waits one or two seconds. An answer that names the slow dependency helps more than no answer.
const defaultDeadlineMs = 1_000;

/** The dependencies a service needs to do its work (`/readyz`). Liveness does not check them. */
export class Readiness {
  private readonly checks = new Map<string, ReadinessCheck>();
  private readonly deadlineMs: number;
  private isStopping = false;

  /** @param options.deadlineMs how long a dependency may take to answer, in milliseconds; default 1 000 */
  constructor({ deadlineMs = defaultDeadlineMs }: { readonly deadlineMs?: number } = {}) {
    this.deadlineMs = deadlineMs;
  }

  /** Adds a dependency under a name that operators know, such as `store` or `mqtt`. */
  add(name: string, check: ReadinessCheck): void {
    this.checks.set(name, check);
  }

  /** From now on the service reports not ready, so that balancers stop sending work while it drains. */
  stop(): void {
    this.isStopping = true;
  }

  async report(): Promise<ReadinessReport> {
    const faults: Record<string, string> = this.isStopping ? { service: 'is shutting down' } : {};
    const judge = async ([name, check]: [string, ReadinessCheck]) => {
      const fault = await this.faultOf(check);
      return fault === undefined ? [] : [[name, fault] as const];
    };
    const found = await Promise.all([...this.checks].map(judge));
    Object.assign(faults, Object.fromEntries(found.flat()));
    return { ready: Object.keys(faults).length === 0, faults };
  }

  private async faultOf(check: ReadinessCheck): Promise<string | undefined> {
    const late = () => new Error(`did not answer within ${this.deadlineMs} ms`);
    try {
      return await within(Promise.resolve(check()), this.deadlineMs, { late });
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}
