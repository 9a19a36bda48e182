import { checkpointFault, emptyLog, faultOf } from '@sallyport/audit';
import type { AuditCheckpoint, AuditRow } from '@sallyport/protocol';

/** What was found in a log. */
export interface LogVerdict {
  readonly service: string;
  readonly rows: number;
  readonly headHash: string;
  /** Ids of the keys that signed checkpoints. */
  readonly keyIds: readonly string[];
  readonly checkpoints: number;
  /** The first fault; absent when the log is intact. */
  readonly fault?: string;
}

/** Checks a log row by row, without trust in the service that keeps it. */
export class LogCheck {
  private last = emptyLog;
  private fault: string | undefined;
  private readonly waiting: Map<number, AuditCheckpoint[]>;
  private readonly keyIds: ReadonlySet<string>;

  constructor(
    private readonly service: string,
    private readonly checkpoints: readonly AuditCheckpoint[],
  ) {
    this.waiting = Map.groupBy(checkpoints, ({ sequence }) => sequence);
    this.keyIds = new Set(checkpoints.map(({ keyId }) => keyId));
  }

  /** Takes the next row. */
  add(row: AuditRow): void {
    if (this.fault !== undefined) return;
    this.fault = faultOf(this.last, row);
    for (const checkpoint of this.waiting.get(row.sequence) ?? []) this.fault ??= this.faultIn(checkpoint, row);
    this.waiting.delete(row.sequence);
    if (this.fault === undefined) this.last = row;
  }

  /** @param keyId the only key that may have signed, if the caller knows it */
  verdict(keyId: string | undefined): LogVerdict {
    const [missing] = [...this.waiting.values()].flat();
    const foreign = keyId === undefined ? undefined : [...this.keyIds].find((each) => each !== keyId);
    const fault =
      this.fault ??
      (missing === undefined ? undefined : checkpointFault(missing, undefined)) ??
      (foreign === undefined ? undefined : `a checkpoint was signed by the key ${foreign}, which is another one`);
    const { sequence: rows, hash: headHash } = this.last;
    const found = { service: this.service, rows, headHash, keyIds: [...this.keyIds] };
    return { ...found, checkpoints: this.checkpoints.length, ...(fault === undefined ? {} : { fault }) };
  }

  private faultIn(checkpoint: AuditCheckpoint, row: AuditRow): string | undefined {
    if (checkpoint.service !== this.service) return `a checkpoint is of the log of ${checkpoint.service}`;
    return checkpointFault(checkpoint, row);
  }
}
