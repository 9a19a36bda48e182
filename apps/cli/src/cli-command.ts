import { Command, type HelpContext, type Option, type ParseOptionsResult } from 'commander';
import { UsageFault } from './failure.js';
import { commandMissing, usageFault } from './usage/usage-fault.js';

/**
 * A command whose flags also take `=true` and `=false`, as in thin-edge.io. Deployment tools write them so.
 *
 * `--json=true` is `--json`; `--json=false` is as if it were left out, and beats an environment variable.
 */
export class CliCommand extends Command {
  override createCommand(name?: string): CliCommand {
    return new CliCommand(name);
  }

  override parseOptions(words: string[]): ParseOptionsResult {
    return super.parseOptions(this.withoutFlagValues(words));
  }

  /** Commander calls this for every wrong call. */
  override error(text: string, { code }: { readonly code?: string } = {}): never {
    throw usageFault(this, text, code);
  }

  override help(context?: HelpContext | ((text: string) => string)): never {
    if (typeof context !== 'object' || context.error !== true) super.help();
    const { message, remedy } = usageFault(this, '', commandMissing);
    throw new UsageFault(message, remedy, this.helpInformation({ error: true }));
  }

  private withoutFlagValues(words: readonly string[]): string[] {
    const end = words.indexOf('--');
    const options = end < 0 ? words : words.slice(0, end);
    const plain = options.flatMap((word, index) => (this.isValue(options[index - 1]) ? [word] : this.plainFlag(word)));
    return [...plain, ...words.slice(options.length)];
  }

  /** True for the word after an option that takes a value: it is the value, even if it looks like a flag. */
  private isValue(wordBefore: string | undefined): boolean {
    if (wordBefore === undefined) return false;
    return this.options.some(({ required, long, short }) => required && [long, short].includes(wordBefore));
  }

  private plainFlag(word: string): string[] {
    const [, name, value] = /^(--[^=]+)=(.*)$/s.exec(word) ?? [];
    const flag = this.options.find(({ long, required, optional }) => long === name && !required && !optional);
    if (name === undefined || flag === undefined) return [word];
    if (value === 'true') return [name];
    if (value === 'false') this.switchOff(flag);
    // Do not show the value: it may be a secret that was meant for another option.
    else this.error(`option ${name} takes no value but true or false`);
    return [];
  }

  private switchOff(flag: Option): void {
    this.setOptionValueWithSource(flag.attributeName(), flag.negate ? true : undefined, 'cli');
  }
}
