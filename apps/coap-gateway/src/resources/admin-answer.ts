import { Problem, type ProblemType, printable, type ResourceAnswer } from '@sallyport/protocol';
import { z } from 'zod';
import { type Command, type CommandOutcome, contentOfStored, type StoredBody } from './commands/command.js';
import type { Wait } from './commands/commands.js';
import { jsonOf } from './values/content.js';

type Answered = Extract<CommandOutcome, { readonly kind: 'answered' }>;

/** What a refusal of the device is for an administrator. Every other code is a bad answer of it. */
const problemByCode: Readonly<Record<string, ProblemType>> = {
  '4.00': 'invalid-request',
  '4.01': 'forbidden',
  '4.03': 'forbidden',
  '4.04': 'not-found',
  '4.05': 'method-not-allowed',
  '4.13': 'too-large',
  '5.03': 'unavailable',
};

const longestDiagnostic = 200;

/**
 * What came of a command, for an administrator.
 *
 * @throws Problem as the device answered; `unavailable`: it is away, or silent; `conflict`: the command was cancelled
 */
export function answerFrom(command: Command, wait: Wait, now: Date): ResourceAnswer {
  const { id, href } = command;
  const found = { href, source: 'device', command: id, at: now.toISOString() } as const;
  switch (wait.kind) {
    case 'answered':
      return { ...found, status: 'done', ...readAnswer(command, wait) };
    case 'pending':
      return { ...found, status: 'pending' };
    case 'expired':
      throw new Problem('unavailable', 'The device did not come for the command in time. Give it longer with "ttl".');
    case 'unavailable':
      throw new Problem('unavailable', `The device may have got the command or not: ${shown(wait.reason)}.`);
    case 'cancelled':
      throw new Problem('conflict', 'The command was cancelled.');
    default:
      return wait satisfies never;
  }
}

function readAnswer({ kind, href }: Command, { code, body }: Answered): Pick<ResourceAnswer, 'code' | 'content'> {
  if (!code.startsWith('2.')) {
    const said = body === undefined ? '' : `: ${shown(contentOfStored(body).payload.toString('utf8'))}`;
    throw new Problem(problemByCode[code] ?? 'bad-gateway', `The device answered ${code} to ${kind} ${href}${said}.`);
  }
  return { code, ...(body === undefined ? {} : contentFrom(body)) };
}

function contentFrom(body: StoredBody): Pick<ResourceAnswer, 'content'> {
  try {
    const content = jsonOf(contentOfStored(body));
    return content === undefined ? {} : { content: z.json().parse(content) };
  } catch (cause) {
    throw new Problem('bad-gateway', 'The device answered with a body that cannot be read.', { cause });
  }
}

function shown(text: string): string {
  return printable(text.slice(0, longestDiagnostic));
}
