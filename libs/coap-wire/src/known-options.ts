import type { ResponseCode } from './codes.js';
import { CoapError } from './exchange.js';
import type { CoapOption } from './message.js';
import { isCritical, type OptionName, optionRules } from './option-numbers.js';

/** Gets one option that counts: it is known, has an allowed length, and is the first unless it may be repeated. */
export type TakeOption = (name: OptionName, value: Buffer) => void;

/**
 * Hands over the options of a message that count. The others are left out when they are elective.
 *
 * @param code of the error for an option that is critical and does not count: unknown, of a wrong length, or one too many
 *   (RFC 7252 §5.4.1, §5.4.3, §5.4.5)
 */
export function readKnownOptions(options: readonly CoapOption[], code: ResponseCode, take: TakeOption): void {
  let former = -1;
  for (const { number, value } of options) {
    const rule = optionRules.get(number);
    const isOneTooMany = number === former && rule?.isRepeatable === false;
    former = number;
    if (rule === undefined || isOneTooMany) refuseCritical(number, code, isOneTooMany ? 'comes twice' : 'is not known');
    else if (value.length >= rule.leastBytes && value.length <= rule.mostBytes) take(rule.name, value);
    else refuseCritical(number, code, `has ${value.length} bytes, not ${rule.leastBytes} to ${rule.mostBytes}`);
  }
}

function refuseCritical(number: number, code: ResponseCode, fault: string): void {
  if (isCritical(number)) throw new CoapError(code, `critical option ${number} ${fault}`);
}
