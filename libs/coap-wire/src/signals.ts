import { codeName, signalCodes } from './codes.js';
import type { CoapMessage, CoapOption } from './message.js';
import { isCritical } from './option-numbers.js';
import { decodeText, decodeUint, encodeUint } from './option-values.js';

/** Signaling messages (RFC 8323 §5), read. */
export type Signal =
  | {
      readonly kind: 'csm';
      /** Absent: what the peer said before holds, else 1,152. */
      readonly maxMessageBytes?: number;
      /** The peer takes blocks (RFC 7959), and BERT when it also takes messages of more than 1,152 bytes. */
      readonly isBlockWise: boolean;
    }
  | { readonly kind: 'ping' | 'pong' | 'release' }
  | { readonly kind: 'abort'; readonly badCsmOption?: number; readonly diagnostic: string };

/** A signal that must be answered with an Abort. */
export class SignalError extends Error {
  /** @param badCsmOption the unknown critical option of a CSM (RFC 8323 §5.6) */
  constructor(
    message: string,
    readonly badCsmOption?: number,
  ) {
    super(message);
    this.name = 'SignalError';
  }
}

/** The largest message that a peer takes until its CSM says another size, in bytes (RFC 8323 §5.3.1). */
export const baseMaxMessageBytes = 1_152;

// Each code has its own numbers of options (RFC 8323 §5.2).
const csmOptions = { maxMessageSize: 2, blockWiseTransfer: 4 } as const;
const badCsmOptionNumber = 2;
const mostUintBytes = 4;
// What a peer says about its Abort goes to a log.
const longestDiagnosticBytes = 256;
const empty = Buffer.alloc(0);

/**
 * Reads a signaling message.
 *
 * @returns undefined for a code that RFC 8323 does not have; such a message is ignored
 * @throws SignalError it has an unknown critical option
 */
export function signalOf(message: CoapMessage): Signal | undefined {
  checkCritical(message);
  switch (message.code) {
    case signalCodes.csm:
      return csmOf(message.options);
    case signalCodes.ping:
      return { kind: 'ping' };
    case signalCodes.pong:
      return { kind: 'pong' };
    case signalCodes.release:
      return { kind: 'release' };
    case signalCodes.abort:
      return abortOf(message);
    default:
      return undefined;
  }
}

/** All options that RFC 8323 defines have even numbers. */
function checkCritical({ code, options }: CoapMessage): void {
  const unknown = options.find(({ number }) => isCritical(number));
  if (unknown === undefined) return;
  const text = `signal ${codeName(code)} has unknown critical option ${unknown.number}`;
  throw new SignalError(text, ...(code === signalCodes.csm ? [unknown.number] : []));
}

function csmOf(options: readonly CoapOption[]): Signal {
  const maxMessageBytes = uintOption(options, csmOptions.maxMessageSize);
  const isBlockWise = options.some(({ number }) => number === csmOptions.blockWiseTransfer);
  return { kind: 'csm', isBlockWise, ...(maxMessageBytes === undefined ? {} : { maxMessageBytes }) };
}

function abortOf({ options, payload }: CoapMessage): Signal {
  const badCsmOption = uintOption(options, badCsmOptionNumber);
  const diagnostic = decodeText(payload.subarray(0, longestDiagnosticBytes)) ?? '';
  return { kind: 'abort', diagnostic, ...(badCsmOption === undefined ? {} : { badCsmOption }) };
}

/** The first of this number. An elective option of a wrong length is ignored (RFC 7252 §5.4.3). */
function uintOption(options: readonly CoapOption[], wanted: number): number | undefined {
  const option = options.find(({ number }) => number === wanted);
  return option === undefined || option.value.length > mostUintBytes ? undefined : decodeUint(option.value);
}

/** Our capabilities and settings: the first message of a connection. */
export function csmMessage({ maxMessageBytes }: { readonly maxMessageBytes: number }): CoapMessage {
  const size = { number: csmOptions.maxMessageSize, value: encodeUint(maxMessageBytes) };
  return signal(signalCodes.csm, { options: [size, { number: csmOptions.blockWiseTransfer, value: empty }] });
}

export function pingMessage(token: Buffer): CoapMessage {
  return signal(signalCodes.ping, { token });
}

/**
 * The answer to a Ping, with its token. It never has the Custody option (RFC 8323 §5.4.1): that would say that all that
 * came before is processed, and we do not wait for it.
 */
export function pongMessage(token: Buffer): CoapMessage {
  return signal(signalCodes.pong, { token });
}

export function releaseMessage(): CoapMessage {
  return signal(signalCodes.release, {});
}

/** @param abort `diagnostic` tells a person what was wrong, and holds nothing secret */
export function abortMessage(abort: { readonly diagnostic: string; readonly badCsmOption?: number }): CoapMessage {
  const { diagnostic, badCsmOption } = abort;
  const options = badCsmOption === undefined ? [] : [{ number: badCsmOptionNumber, value: encodeUint(badCsmOption) }];
  return signal(signalCodes.abort, { options, payload: Buffer.from(diagnostic) });
}

function signal(code: number, parts: Partial<CoapMessage>): CoapMessage {
  return { code, token: empty, options: [], payload: empty, ...parts };
}
