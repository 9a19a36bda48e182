import type { CompletionNode } from './command-tree.js';

/** The shells a completion script can be made for. */
export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** Names the program answers to. */
const programs = ['sallyport', 'tedge'];

/** A script that, once sourced, completes commands, options and arguments. */
export function completionScript(shell: Shell, nodes: readonly CompletionNode[]): string {
  switch (shell) {
    case 'bash':
      return bashScript(nodes);
    case 'zsh':
      return `#compdef ${programs.join(' ')}\nautoload -Uz bashcompinit && bashcompinit\n${bashScript(nodes)}`;
    case 'fish':
      return fishScript(nodes);
    default:
      return shell satisfies never;
  }
}

function bashScript(nodes: readonly CompletionNode[]): string {
  const cases = nodes.map(({ path, commands, options, words }) => {
    const all = [...commands.map(({ name }) => name), ...words, ...options.map(({ flag }) => flag)];
    return `    '${path}') words='${all.join(' ')}' ;;`;
  });
  const paths = nodes.map(({ path }) => `'${path}'`).join('|');
  return `_sallyport() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path='' word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${path:+$path }$word" in
      ${paths}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [ \${#COMPREPLY[@]} -gt 0 ] && return
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$current")
}
complete -o filenames -F _sallyport ${programs.join(' ')}
`;
}

function fishScript(nodes: readonly CompletionNode[]): string {
  const lines = nodes.flatMap((node) => programs.flatMap((program) => fishLines(program, node)));
  return `${lines.join('\n')}\n`;
}

function fishLines(program: string, { path, commands, options, words }: CompletionNode): string[] {
  const condition = fishCondition(path, commands);
  return [
    ...commands.map(({ name, description }) => fishLine(program, condition, `-f -a ${name}`, description)),
    ...words.map((word) => fishLine(program, condition, `-f -a ${fishQuoted(word)}`, '')),
    ...options.map(({ flag, description }) => fishLine(program, condition, `-l ${flag.slice(2)}`, description)),
  ];
}

function fishCondition(path: string, commands: CompletionNode['commands']): string {
  const seen = path
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => `__fish_seen_subcommand_from ${word}`);
  const unseen =
    commands.length === 0 ? [] : [`not __fish_seen_subcommand_from ${commands.map(({ name }) => name).join(' ')}`];
  return [...seen, ...unseen].join('; and ');
}

function fishLine(program: string, condition: string, what: string, description: string): string {
  const when = condition === '' ? '' : ` -n '${condition}'`;
  return `complete -c ${program}${when} ${what}${description === '' ? '' : ` -d ${fishQuoted(description)}`}`;
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
