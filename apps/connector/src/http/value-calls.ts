import { Problem } from '@sallyport/protocol';
import type { Point } from '@sallyport/twin';
import type { DeviceContact, DeviceValues } from '../values/device-values.js';
import { BodyMemory, type BodyShare } from './body-memory.js';
import { answerForm, answerNoContent, type DeviceCall, type FormLimits, readForm } from './device-call.js';
import { type FormPairs, parseForm, queryOf } from './form.js';
import type { LongPolls } from './long-polls.js';

export interface ValueCallsOptions {
  readonly values: DeviceValues;
  readonly polls: LongPolls;
}

/** The largest body: one value of the largest size, with its escapes. */
const mostBodyBytes = 1024 * 1024;
const microsInSecond = 1_000_000;

/** Writing and reading values, as `/stack/alias` and `/stack/record` have it. */
export class ValueCalls {
  private readonly bodies = new BodyMemory();

  constructor(private readonly options: ValueCallsOptions) {}

  /**
   * `POST /stack/alias`: writes the values of the body; then reads those of the query, if it names some. An alias that
   * comes twice has the value that comes last.
   */
  async write(call: DeviceCall, device: DeviceContact): Promise<void> {
    using share = this.bodies.begin(device.deviceId);
    const pairs = await readForm(call, limitsOf(share));
    if (pairs.length === 0) throw new Problem('invalid-request', 'The body holds no value. Send one: temperature=50');
    const { target } = call.request;
    const asked = target.includes('?') ? queryOf(target) : [];
    await this.options.values.writeAll(device, new Map(pairs));
    if (asked.length === 0) answerNoContent(call);
    else await this.answerValues(call, device, namesIn(asked));
  }

  /** `GET /stack/alias`: reads the values that the query names, or waits for a change of one. */
  async read(call: DeviceCall, device: DeviceContact): Promise<void> {
    const names = namesIn(queryOf(call.request.target));
    if (names.length === 0)
      throw new Problem('invalid-request', 'The query names no value. Name one: /stack/alias?temperature');
    if (call.request.fields.has('request-timeout')) await this.options.polls.answer(call, device, names);
    else await this.answerValues(call, device, names);
  }

  /** `POST /stack/record`: values of the past, `alias=a&1700000000=20&alias=b&1700000000=5`. */
  async record(call: DeviceCall, device: DeviceContact): Promise<void> {
    using share = this.bodies.begin(device.deviceId);
    await this.keep(call, device, pointsIn(await readForm(call, limitsOf(share))));
  }

  /** `POST /stack/alias/temperature`: the same for one value, `1700000000=20&1700000060=21`. */
  async recordOne(call: DeviceCall, device: DeviceContact, escapedAlias: string): Promise<void> {
    const [alias] = namesIn(parseForm(escapedAlias));
    using share = this.bodies.begin(device.deviceId);
    const pairs = await readForm(call, limitsOf(share));
    await this.keep(call, device, pointsIn([['alias', alias ?? ''], ...pairs]));
  }

  private async keep(call: DeviceCall, device: DeviceContact, points: readonly Point[]): Promise<void> {
    if (points.length === 0)
      throw new Problem('invalid-request', 'The body holds no value. Send: alias=temperature&1700000000=20');
    await this.options.values.record(device, points);
    answerNoContent(call);
  }

  private async answerValues(call: DeviceCall, device: DeviceContact, names: readonly string[]): Promise<void> {
    const values = await this.options.values.read(device, names);
    if (values.size === 0) answerNoContent(call);
    else answerForm(call, [...values.values()].map(pairOf));
  }
}

function limitsOf(share: BodyShare): FormLimits {
  return { mostBytes: mostBodyBytes, onGrowth: (bytes) => share.grow(bytes) };
}

/** Firmware writes `?a&b`, and also `?a=&b=`. */
function namesIn(pairs: FormPairs): string[] {
  return [...new Set(pairs.map(([name]) => name))];
}

function pairOf({ alias, value }: Point): readonly [string, string] {
  return [alias, value];
}

function pointsIn(pairs: FormPairs): Point[] {
  const points: Point[] = [];
  let alias: string | undefined;
  for (const [name, value] of pairs) {
    if (name === 'alias') alias = value;
    else if (alias === undefined) throw new Problem('invalid-request', 'Begin with the alias: alias=temperature&…');
    else points.push({ alias, value, atMicros: microsOf(name) });
  }
  return points;
}

/** Seconds since 1970, with up to six digits behind the point. */
function microsOf(text: string): number {
  if (!/^\d{1,10}(?:\.\d{1,6})?$/.test(text))
    throw new Problem('invalid-request', 'A time is no number of seconds since 1970, such as 1700000000.');
  return Math.round(Number(text) * microsInSecond);
}
