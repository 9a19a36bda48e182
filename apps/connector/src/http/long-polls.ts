import { BoundedMap } from '@sallyport/concurrency';
import { type DeviceId, Problem } from '@sallyport/protocol';
import type { Point } from '@sallyport/twin';
import type { DeviceContact, DeviceValues } from '../values/device-values.js';
import { answerForm, type DeviceCall } from './device-call.js';

const mostWaitMs = 300_000;
const microsInSecond = 1_000_000;
/** Devices and aliases whose last answer is remembered; about 10 MB when full. */
const mostRemembered = 50_000;

/**
 * Polls of one device that wait at a time; fewer than a device may wait in all ways together. A device whose network
 * fails leaves polls behind that nobody hears, and comes again with a new one.
 */
const mostOfDevice = 12;

interface WaitingPoll {
  readonly device: DeviceContact;
  readonly end: AbortController;
}

export interface LongPollsOptions {
  readonly values: DeviceValues;
  readonly nowMs: () => number;
}

/** Requests that wait for a value to change. */
export class LongPolls {
  /** The exact time of the value that was answered last. `Last-Modified` has whole seconds only. */
  private readonly answered = new BoundedMap<string, number>(mostRemembered);
  /** Of each device that waits, the oldest first. */
  private readonly waiting = new Map<DeviceId, Set<WaitingPoll>>();

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
    for (const polls of this.waiting.values()) for (const { device, end } of polls) if (concerns(device)) end.abort();
  }

  private async wait(
    { request }: DeviceCall,
    device: DeviceContact,
    { alias, waitMs, sinceMicros }: { readonly alias: string; readonly waitMs: number; readonly sinceMicros: number },
  ): Promise<Point | undefined> {
    const end = new AbortController();
    const poll = { device, end };
    const timer = setTimeout(() => end.abort(), waitMs);
    request.onAbandoned(() => end.abort());
    this.enter(poll);
    try {
      return await this.options.values.longPoll(device, alias, { sinceMicros, signal: end.signal });
    } finally {
      clearTimeout(timer);
      this.leave(poll);
    }
  }

  /** The newest poll takes the place of the oldest, which gets 304. */
  private enter(poll: WaitingPoll): void {
    const { deviceId } = poll.device;
    const polls = this.waiting.get(deviceId) ?? new Set();
    const [oldest] = polls;
    if (polls.size >= mostOfDevice && oldest !== undefined) {
      oldest.end.abort();
      polls.delete(oldest);
    }
    this.waiting.set(deviceId, polls.add(poll));
  }

  private leave(poll: WaitingPoll): void {
    const { deviceId } = poll.device;
    const polls = this.waiting.get(deviceId);
    polls?.delete(poll);
    if (polls?.size === 0) this.waiting.delete(deviceId);
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
