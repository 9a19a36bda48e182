import { BoundedMap } from '@sallyport/concurrency';
import { Problem } from '@sallyport/protocol';
import type { Point } from '@sallyport/twin';
import type { DeviceContact, DeviceValues } from '../values/device-values.js';
import { answerForm, type DeviceCall } from './device-call.js';

const mostWaitMs = 300_000;
const microsInSecond = 1_000_000;
/** Devices and aliases whose last answer is remembered; about 10 MB when full. */
const mostRemembered = 50_000;

export interface LongPollsOptions {
  readonly values: DeviceValues;
  readonly nowMs: () => number;
}

/** Requests that wait for a value to change. */
export class LongPolls {
  /** The exact time of the value that was answered last. `Last-Modified` has whole seconds only. */
  private readonly answered = new BoundedMap<string, number>(mostRemembered);
  private readonly waiting = new Set<{ readonly device: DeviceContact; readonly end: AbortController }>();

  constructor(private readonly options: LongPollsOptions) {}

  /**
   * Waits for a value that is later than `If-Modified-Since` says (now, when it is absent), and answers 200; or 304 when
   * `Request-Timeout` is over.
   *
   * @throws Problem `invalid-request`: the timeout cannot be used, or there are several aliases
   */
  async answer(call: DeviceCall, device: DeviceContact, names: readonly string[]): Promise<void> {
    const [alias, ...others] = names;
    if (alias === undefined || others.length > 0)
      throw new Problem('invalid-request', 'A request with Request-Timeout waits for one value. Name one alias.');
    const waitMs = timeoutOf(call);
    const point = await this.wait(call, device, { alias, waitMs, sinceMicros: this.since(call, device, alias) });
    if (point === undefined) call.answer(304, [], '');
    else this.answerPoint(call, device, point);
  }

  /** Ends the waiting of some devices, which then get 304 and ask again. */
  end(concerns: (device: DeviceContact) => boolean): void {
    for (const { device, end } of this.waiting) if (concerns(device)) end.abort();
  }

  private async wait(
    { request }: DeviceCall,
    device: DeviceContact,
    { alias, waitMs, sinceMicros }: { readonly alias: string; readonly waitMs: number; readonly sinceMicros: number },
  ): Promise<Point | undefined> {
    const end = new AbortController();
    const entry = { device, end };
    const timer = setTimeout(() => end.abort(), waitMs);
    request.onAbandoned(() => end.abort());
    this.waiting.add(entry);
    try {
      return await this.options.values.longPoll(device, alias, { sinceMicros, signal: end.signal });
    } finally {
      clearTimeout(timer);
      this.waiting.delete(entry);
    }
  }

  private answerPoint(call: DeviceCall, device: DeviceContact, point: Point): void {
    const { alias, value, atMicros } = point;
    this.answered.set(keyOf(device, alias), atMicros);
    // Devices of the time before sent whole seconds back as they came. RFC 9110 §8.8.2 has a date.
    const modified = new Date(Math.floor(atMicros / microsInSecond) * 1000).toUTCString();
    answerForm(call, [[alias, value]], ['Last-Modified', modified]);
  }

  /**
   * A value may change twice in a second. A device that sends the second of its last answer has seen that value, and
   * nothing later.
   */
  private since({ request }: DeviceCall, device: DeviceContact, alias: string): number {
    const seconds = secondsOf(request.fields.get('if-modified-since'));
    if (seconds === undefined) return this.options.nowMs() * 1000;
    const exact = this.answered.get(keyOf(device, alias));
    const isOfThatSecond = exact !== undefined && Math.floor(exact / microsInSecond) === seconds;
    return isOfThatSecond ? exact : seconds * microsInSecond;
  }
}

function keyOf({ connector, deviceId }: DeviceContact, alias: string): string {
  return `${connector} ${deviceId} ${alias}`;
}

function timeoutOf({ request }: DeviceCall): number {
  const text = request.fields.get('request-timeout')?.trim() ?? '';
  const waitMs = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (waitMs <= mostWaitMs) return waitMs;
  throw new Problem('invalid-request', `Request-Timeout must be 0 to ${mostWaitMs} milliseconds.`);
}

/** Unix seconds or an HTTP date. RFC 9110 §13.1.3: what is neither is as if it were absent. */
function secondsOf(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? '';
  if (/^\d{1,10}$/.test(trimmed)) return Number(trimmed);
  if (!/^[A-Za-z]{3,9},? /.test(trimmed)) return undefined;
  const ms = Date.parse(trimmed);
  return Number.isNaN(ms) ? undefined : Math.floor(ms / 1000);
}
