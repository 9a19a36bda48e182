import { registryRoutes } from '@sallyport/protocol';
import { Argument, type Command } from 'commander';
import { everyPage } from '../admin/pages.js';
import type { CliContext } from '../cli-context.js';
import { openRegistry } from '../device/registry-call.js';
import { globalOptions, optionsOf } from '../options.js';
import { writeJson, writeLines } from '../output.js';
import { completionNodes } from './command-tree.js';
import { completionScript, shells } from './scripts.js';

/** `completion bash | zsh | fish`: a script for the shell's start-up file. */
export function completionCommand(context: CliContext, program: Command): void {
  program
    .command('completion')
    .description('print a shell completion script, as in: source <(sallyport completion bash)')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .action((shell: (typeof shells)[number], _options: unknown, command: Command) => {
      const script = completionScript(shell, completionNodes(program));
      if (optionsOf(command, globalOptions).json) writeJson(context, { shell, script });
      else context.stdout.write(script);
    });
  program
    .command('__devices', { hidden: true })
    .description('names of devices, for the completion script')
    .argument('[prefix]', 'how they begin', '')
    .action((prefix: string, _options: unknown, command: Command) => offerDevices(context, prefix, command));
}

// More than anybody looks through. The shell asks again after the next letter.
const mostNames = 200;

async function offerDevices(context: CliContext, prefix: string, command: Command): Promise<void> {
  const { registry } = await openRegistry(context, command, globalOptions);
  const fetchPage = (cursor: string | undefined) =>
    registry.call(registryRoutes.listDevices, {
      query: { limit: 1000, cursor, ...(prefix === '' ? {} : { search: prefix }) },
    });
  const names: string[] = [];
  for await (const { devices } of everyPage(fetchPage)) {
    names.push(...devices.map(({ deviceId }) => deviceId).filter((name) => name.startsWith(prefix)));
    if (names.length >= mostNames) break;
  }
  writeLines(context, names.slice(0, mostNames));
}
