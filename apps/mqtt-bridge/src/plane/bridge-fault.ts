import { reasonCodes } from '@sallyport/mqtt-wire';
import type { SideName } from './bridge-types.js';

/** A broker refused CONNECT. */
export class ConnectRefused extends Error {
  /** @param reasonCode of CONNACK: a reason code of MQTT 5, or a return code of MQTT 3.1.1 */
  constructor(
    readonly version: 4 | 5,
    readonly reasonCode: number,
  ) {
    super(
      `The broker refused CONNECT: ${version === 5 ? wordsOf(reasonCode) : (returnCodes[reasonCode] ?? reasonCode)}.`,
    );
    this.name = 'ConnectRefused';
  }
}

// MQTT 3.1.1 §3.2.2.3
const returnCodes: Readonly<Record<number, string>> = {
  1: 'it does not speak MQTT 3.1.1 (1)',
  2: 'client id rejected (2)',
  3: 'server unavailable (3)',
  4: 'bad user name or password (4)',
  5: 'not authorized (5)',
};

/** A reason code for people: `not authorized (0x87)`. */
export function wordsOf(reasonCode: number): string {
  const name = Object.entries(reasonCodes).find(([, code]) => code === reasonCode)?.[0] ?? 'unknown reason';
  const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return `${words} (0x${reasonCode.toString(16).padStart(2, '0')})`;
}

/** One side of a bridge could not be connected, or its connection ended. The cause is what explains it. */
export class SideFault extends Error {
  constructor(
    readonly side: SideName,
    cause: unknown,
  ) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = 'SideFault';
  }
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error('The connection ended.', { cause: error });
}
