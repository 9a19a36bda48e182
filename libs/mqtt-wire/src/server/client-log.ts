import { RepeatFilter } from '@sallyport/concurrency';
import { printable } from '@sallyport/protocol';

type Fields = Readonly<Record<string, unknown>>;

export interface ClientLogOptions {
  readonly onWarning: (text: string, fields: Fields) => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

// In milliseconds.
const logEveryMs = 60_000;
const mostLogSources = 1_000;

/**
 * The part of the log that clients cause. A client that does something again and again, for ever, over any number of
 * connections, must not fill it: of equal lines about one owner the first is written, and then one a minute.
 */
export class ClientLog {
  private readonly repeats = new RepeatFilter({ periodMs: logEveryMs, mostSources: mostLogSources });

  constructor(private readonly options: ClientLogOptions) {}

  /**
   * @param owner whose share the client uses: what the client may choose, such as its id, would make each line new
   * @param fields a `reason` makes lines different; long texts are cut, since a topic may have 65,535 bytes
   */
  warn(text: string, owner: string, fields: Fields): void {
    const repeated = this.repeats.pass(`${owner} ${text} ${kindOf(fields['reason'])}`, this.options.now());
    if (repeated === undefined) return;
    const short = Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' ? printable(value) : value,
    ]);
    this.options.onWarning(text, { ...Object.fromEntries(short), ...(repeated === 0 ? {} : { repeated }) });
  }
}

/** Without what the client chose: what stands in quotation marks, and numbers. */
function kindOf(reason: unknown): string {
  return String(reason).replaceAll(/".*"|\d+/gs, '');
}
