import { accessSync, constants, realpathSync } from 'node:fs';
import { basename, delimiter, join, relative } from 'node:path';
import { quoted } from '@sallyport/config';

/** The process as far as it shows how it was started. */
export interface StartedAs {
  /** The file of the program: the second word of the process, absolute. */
  readonly file: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/**
 * How the user called the program, so that the commands we show work when they are typed: `npx sallyport`, the bare
 * name if the system finds the program by it, or else its path.
 */
export function typedProgram({ file, env, cwd }: StartedAs): string {
  const { npm_command: npmCommand, PATH: path = '' } = env;
  const name = basename(file ?? '');
  const plain = name.replace(/\.m?js$/, '');
  if (npmCommand === 'exec') return `npx ${['', 'main'].includes(plain) ? 'sallyport' : plain}`;
  // An installed program is a bundle called main.js, started by a script whose name we cannot see.
  if (file === undefined || ['', 'main'].includes(plain)) return 'sallyport';
  if (path.split(delimiter).some((folder) => isSameFile(join(folder, name), file))) return name;
  const below = relative(cwd, file);
  const shown = quoted(below.startsWith('..') ? file : `./${below}`);
  return isExecutable(file) ? shown : `node ${shown}`;
}

function isSameFile(one: string, other: string): boolean {
  try {
    return realpathSync(one) === realpathSync(other);
  } catch {
    // There is no such file in this folder.
    return false;
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
