import { CoapError } from '@sallyport/coap-wire';

/** Which links a device takes back. */
export interface Unpublication {
  readonly di: string;
  /** Empty: all of them. */
  readonly ins: ReadonlySet<number>;
}

// The largest number that CRC-32 gives.
const largestIns = 0xffff_ffff;

/**
 * Reads the query of an unpublication: `di` once, and `ins` as often as there are links, in options of their own or joined
 * with `&`. Everything else is ignored.
 *
 * @throws CoapError `4.00`, with what is wrong
 */
export function readUnpublication(query: readonly string[]): Unpublication {
  const given = new URLSearchParams(query.join('&'));
  const [di, ...more] = given.getAll('di');
  if (di === undefined || di === '') throw invalid('di not found in the query');
  if (more.length > 0) throw invalid('di is in the query more than once');
  return { di, ins: new Set(given.getAll('ins').map(readIns)) };
}

function readIns(text: string): number {
  const ins = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (ins <= largestIns) return ins;
  throw invalid('ins is not a number of a link');
}

function invalid(what: string): CoapError {
  return new CoapError('4.00', `cannot unpublish resources: ${what}`);
}
