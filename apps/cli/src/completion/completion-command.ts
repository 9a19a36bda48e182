import { configKeys } from '@sallyport/config';
import { Argument, type Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { completionNodes } from './command-tree.js';
import { completionScript, shells } from './scripts.js';

/** `completion bash | zsh | fish`: a script for the shell's start-up file. */
export function completionCommand(context: CliContext, program: Command): void {
  program
    .command('completion')
    .description('print a shell completion script, as in: source <(sallyport completion bash)')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .action((shell: (typeof shells)[number]) => {
      context.stdout.write(completionScript(shell, completionNodes(program, wordsFor)));
    });
}

const keyPaths = new Set(['config get', 'config set', 'config unset', 'config add', 'config remove']);

function wordsFor(path: string): readonly string[] {
  return keyPaths.has(path) ? configKeys : [];
}
