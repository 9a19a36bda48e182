/** Answers whether one dependency of the service works: nothing when it does, else one line saying what is wrong. */
export type ReadinessCheck = () => string | undefined | Promise<string | undefined>;

export interface ReadinessReport {
  readonly ready: boolean;
  /** What is wrong, by dependency. */
  readonly faults: Readonly<Record<string, string>>;
}

/** The dependencies a service needs to do its work (`/readyz`); liveness never looks at them. */
export class Readiness {
  private readonly checks = new Map<string, ReadinessCheck>();
  private isStopping = false;

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
    for (const [name, check] of this.checks) {
      const fault = await outcomeOf(check);
      if (fault !== undefined) faults[name] = fault;
    }
    return { ready: Object.keys(faults).length === 0, faults };
  }
}

async function outcomeOf(check: ReadinessCheck): Promise<string | undefined> {
  try {
    return await check();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
