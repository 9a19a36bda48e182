import { bashScript } from './bash-script.js';
import type { CompletionNode } from './command-tree.js';
import { fishScript } from './fish-script.js';

/** The shells a completion script can be made for. */
export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** Names the program answers to. */
const programs = ['sallyport', 'tedge'];

/** A script that, once sourced, completes commands, options and arguments. */
export function completionScript(shell: Shell, nodes: readonly CompletionNode[]): string {
  switch (shell) {
    case 'bash':
      return bashScript(nodes, programs);
    case 'zsh':
      return `#compdef ${programs.join(' ')}\nautoload -Uz bashcompinit && bashcompinit\n${bashScript(nodes, programs)}`;
    case 'fish':
      return fishScript(nodes, programs);
    default:
      return shell satisfies never;
  }
}
