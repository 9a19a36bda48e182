import { configKeys } from '@sallyport/config';
import type { CompletionNode, Offer, OptionNode } from './command-tree.js';
import { valuesOfKey } from './command-tree.js';

/** The script for bash, and with its own first line for zsh. */
export function bashScript(nodes: readonly CompletionNode[], programs: readonly string[]): string {
  return [
    `_sallyport_node() {\n  case "$1" in\n${nodes.map(nodeCase).join('\n')}\n  esac\n}`,
    `_sallyport_values() {\n  case "$1" in\n${valueCases().join('\n')}\n  esac\n}`,
    `_sallyport_keys='${configKeys.join(' ')}'`,
    functions,
    `complete -o filenames -F _sallyport ${programs.join(' ')}`,
    'complete -o filenames -o default -F _sallyport_npx npx\n',
  ].join('\n');
}

function nodeCase({ path, commands, options, arguments: positions }: CompletionNode): string {
  const words = [...commands.map(({ name }) => name), ...options.map(({ flag }) => flag)];
  const values = options.flatMap(valueText);
  return `    '${path}') words='${words.join(' ')}' values=' ${values.join(' ')} ' places='${positions.map(textOf).join(' ')}' ;;`;
}

function valueText({ flag, value }: OptionNode): string[] {
  return value === undefined ? [] : [`${flag}=${textOf(value)}`];
}

/** `a,b` for words, `@file` for what the shell or the site knows. */
function textOf(offer: Offer): string {
  return typeof offer === 'string' ? `@${offer}` : offer.join(',');
}

function valueCases(): string[] {
  return configKeys.flatMap((key) => {
    const values = valuesOfKey(key);
    return values.length === 0 ? [] : [`    '${key}') echo '${values.join(' ')}' ;;`];
  });
}

/**
 * Goes through the words before the cursor: which command they name, which place of it the cursor is at, and whether it
 * is at the value of an option.
 */
const functions = `_sallyport_lines() {
  local line
  while IFS= read -r line; do COMPREPLY+=("$line"); done
}
_sallyport_offer() {
  case "$1" in
    @file|@anything|'') _sallyport_lines < <(compgen -f -- "$current") ;;
    @folder) _sallyport_lines < <(compgen -d -- "$current") ;;
    @device) _sallyport_lines < <(compgen -W "$("\${program[@]}" "\${site[@]}" __devices "$current" 2>/dev/null)" -- "$current") ;;
    @key) COMPREPLY+=($(compgen -W "$_sallyport_keys" -- "$current")) ;;
    @value) COMPREPLY+=($(compgen -W "$(_sallyport_values "$first")" -- "$current")) ;;
    *) COMPREPLY+=($(compgen -W "\${1//,/ }" -- "$current")) ;;
  esac
}
_sallyport() {
  local start="\${1:-1}" current="\${COMP_WORDS[COMP_CWORD]}" path='' word words='' values='' places='' option='' first='' kind=''
  [[ "$start" =~ ^[12]$ ]] || start=1
  local -a program=("\${COMP_WORDS[@]:0:start}") site=() place=()
  local at=0
  COMPREPLY=()
  _sallyport_node ''
  for word in "\${COMP_WORDS[@]:start:COMP_CWORD-start}"; do
    if [ -n "$option" ]; then
      [ "$option" = --config-dir ] && site=(--config-dir "$word")
      option=''
      continue
    fi
    case "$values" in *" $word="*) option="$word"; continue ;; esac
    case "$word" in -*) continue ;; esac
    case " $words " in
      *" $word "*) path="\${path:+$path }$word"; _sallyport_node "$path"; continue ;;
    esac
    [ $at -eq 0 ] && first="$word"
    at=$((at + 1))
  done
  if [ -n "$option" ]; then
    kind="\${values#* $option=}"
    _sallyport_offer "\${kind%% *}"
    return
  fi
  read -r -a place <<< "$places"
  case "$current" in
    -*) ;;
    *) [ -n "\${place[at]}" ] && _sallyport_offer "\${place[at]}" ;;
  esac
  [ \${#COMPREPLY[@]} -gt 0 ] && [ "$current" = '' ] && [ \${#place[@]} -gt 0 ] && [ "\${place[at]}" != @anything ] && return
  COMPREPLY+=($(compgen -W "$words" -- "$current"))
  [ \${#COMPREPLY[@]} -gt 0 ] || _sallyport_offer @file
}
_sallyport_npx() {
  case "\${COMP_WORDS[1]}" in
    sallyport|tedge) [ "$COMP_CWORD" -gt 1 ] && { _sallyport 2; return; } ;;
  esac
  COMPREPLY=()
  [ "$COMP_CWORD" -eq 1 ] && COMPREPLY=($(compgen -W 'sallyport tedge' -- "\${COMP_WORDS[1]}"))
}`;
