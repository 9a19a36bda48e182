import { Problem, type ResourceHref, type ResourceLink } from '@sallyport/protocol';
import type { JsonValue } from '@sallyport/store';
import { type KeptValues, type ValueSender, type ValueText, valueText } from './kept-values.js';

export interface ReportsOptions {
  readonly values: KeptValues;
  readonly sender: ValueSender;
  /** The values of other resources are not kept for ever. */
  readonly published: () => Promise<readonly ResourceLink[]>;
  readonly onReport: () => void;
  /** Values could not be kept, because the store does not take them now. Nothing more is written. */
  readonly onFault: (error: unknown) => void;
  /** The device told more than is kept of one device. Its other values are kept. */
  readonly onRefused: (problem: Problem) => void;
}

/**
 * Writes what a device tells, in order. While a write is under way only the latest value of each resource waits: that is
 * what observation promises (RFC 7641 §1.3), and a fast device takes no more memory than it has resources.
 */
export class Reports {
  // As text: a value that is too large to keep does not wait as what it was.
  private waiting = new Map<ResourceHref, ValueText>();
  private writing: Promise<void> | undefined;
  private isTidyDue = false;
  private hasFailed = false;

  constructor(private readonly options: ReportsOptions) {}

  report(href: ResourceHref, content: JsonValue): void {
    if (this.hasFailed) return;
    this.options.onReport();
    this.waiting.set(href, valueText(content));
    this.writing ??= this.writeAll();
  }

  /** Forgets the values of resources that are not published any more, after what was reported so far. */
  tidy(): void {
    if (this.hasFailed) return;
    this.isTidyDue = true;
    this.writing ??= this.writeAll();
  }

  /** Resolves when everything that was reported is kept, or could not be. */
  async idle(): Promise<void> {
    await this.writing;
  }

  private async writeAll(): Promise<void> {
    try {
      while (this.waiting.size > 0 || this.isTidyDue) await this.writeNext();
    } catch (error) {
      this.hasFailed = true;
      this.waiting.clear();
      this.options.onFault(error);
    } finally {
      this.writing = undefined;
    }
  }

  private async writeNext(): Promise<void> {
    const { values, sender, published } = this.options;
    const [waiting, isTidyDue] = [this.waiting, this.isTidyDue];
    this.waiting = new Map();
    this.isTidyDue = false;
    if (waiting.size > 0) await this.write(waiting);
    if (isTidyDue) await values.keepOnly(sender.deviceId, published);
  }

  private async write(values: ReadonlyMap<ResourceHref, ValueText>): Promise<void> {
    const { sender, onRefused } = this.options;
    try {
      await this.options.values.write(sender, values);
    } catch (error) {
      // To connect anew would not help a device that has too many values.
      if (!(error instanceof Problem) || error.status >= 500) throw error;
      onRefused(error);
    }
  }
}
