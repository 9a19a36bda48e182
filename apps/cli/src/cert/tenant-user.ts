import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { readFirstLine } from '../first-line.js';
import { askAtTerminal } from '../hidden-line.js';
import { writeWarnings } from '../output.js';

export interface UserOptions {
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** A file, or `-` for standard input. */
  readonly passwordFile?: string | undefined;
}

/** A user of a tenant. Never log the password, and never show it in an error. */
export interface TenantUser {
  readonly name: string;
  readonly password: string;
}

const pipeIt = 'Set C8Y_PASSWORD, or name a file with it (--password-file FILE, or - for standard input).';

/**
 * Who uses the REST API of a tenant: as given, else from the environment (`C8Y_USER`, `C8Y_PASSWORD`), else as typed.
 * The user name may also be the first line of standard input.
 *
 * @throws Failure: the password is given twice, or nowhere and there is no terminal to ask at
 */
export async function tenantUser(context: CliContext, given: UserOptions): Promise<TenantUser> {
  const { C8Y_USER: usual } = context.env;
  const name = given.user ?? (usual || undefined);
  const password = await givenPassword(context, given);
  if (name !== undefined && password !== undefined) return { name, password };
  if (password !== undefined && context.stdin.isTTY !== true)
    return { name: await readFirstLine(context, '-', 'user name'), password };
  const questions = [
    ...(name === undefined ? [{ what: 'user name', isHidden: false }] : []),
    ...(password === undefined ? [{ what: 'password', isHidden: true }] : []),
  ];
  const [first = '', second = ''] = await askAtTerminal(context, questions, pipeIt);
  if (name !== undefined) return { name, password: first };
  return { name: first, password: password ?? second };
}

async function givenPassword(context: CliContext, given: UserOptions): Promise<string | undefined> {
  const { password, passwordFile } = given;
  if (password !== undefined && passwordFile !== undefined)
    throw new Failure('The password is given twice.', 'Use --password or --password-file, not both.');
  if (password !== undefined) return password;
  if (passwordFile !== undefined) return readFirstLine(context, passwordFile, 'password');
  const { C8Y_PASSWORD: usual, C8YPASS: former } = context.env;
  if (usual !== undefined && usual !== '') return usual;
  if (former === undefined || former === '') return undefined;
  writeWarnings(context, ['C8YPASS is deprecated, use C8Y_PASSWORD.']);
  return former;
}
