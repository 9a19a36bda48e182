import { Argument } from 'commander';

/** The cloud a command of thin-edge.io may name last; all of them use the one device certificate here. */
export function cloudArgument(): Argument {
  return new Argument('[cloud]', 'cloud the certificate is for').choices(['c8y', 'az', 'aws']);
}
