import { temporaryDirectory } from '@sallyport/testkit';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  commandAt,
  commandPaths,
  leafPaths,
  newProgram,
  requiredWords,
  shellWords,
} from './fixtures/command-tree.fixture.js';
import { type Ran, runSallyport } from './fixtures/run-sallyport.fixture.js';
import { describeCommand } from './help/command-description.js';

const program = newProgram();
const all = commandPaths(program);
const leaves = leafPaths(program);
const groups = all.filter((path) => commandAt(program, path).commands.length > 0);

const run = (words: readonly string[]) => runSallyport(words, { cwd: '/nowhere' });

/** Texts of the libraries behind the command line, and of our insides. */
const jargon =
  /command-argument|is invalid for argument|argument missing|Too (?:small|big)|[Ee]xpected (?:string|number|object|array|boolean|int)|Invalid (?:input|option|string|enum|URL)|[Zz]od|[Cc]ommander|Unexpected failure|undefined|\[object|\bE[A-Z]{4,}: |\n {4}at /;

const wrongCall = z.strictObject({
  error: z.strictObject({ what: z.string().min(1), remedy: z.string().min(1), type: z.literal('usage') }),
});

/** A wrong call is refused in the same way whatever was called: for people in two lines, for programs as JSON. */
async function expectWrongCall(words: readonly string[], says: string): Promise<void> {
  const { exitCode, stdout, stderr } = await run(words);
  expect({ words, exitCode, stdout }).toEqual({ words, exitCode: 2, stdout: '' });
  expect(stderr).toMatch(/^Error: [^\n]+\n[^\n]+\n$/);
  expect(stderr).toContain(says);
  expect(stderr).not.toMatch(jargon);
  const asJson = await run(['--json', ...words]);
  expect({ words, exitCode: asJson.exitCode, stdout: asJson.stdout }).toEqual({ words, exitCode: 2, stdout: '' });
  const { error } = wrongCall.parse(JSON.parse(asJson.stderr));
  expect(`Error: ${error.what}\n${error.remedy}\n`).toBe(stderr);
}

describe('the help', () => {
  it.each(all)('of "%s %s %s" has usage, options and what it is for', async (...path) => {
    const { exitCode, stdout, stderr } = await run([...path, '--help']);

    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^Usage: sallyport ${path.join(' ')}`));
    expect(stdout).toMatch(/\nOptions:\n/);
    expect(stdout).toMatch(/\nGlobal Options:\n/);
    expect(commandAt(program, path).description()).not.toBe('');
    expect(stdout).not.toMatch(jargon);
  });

  it.each(all)('of "%s %s %s" is also that of "help"', async (...path) => {
    const { stdout } = await run([...path, '--help']);

    expect(await run(['help', ...path])).toEqual({ exitCode: 0, stdout, stderr: '' });
  });

  it.each(all)('of "%s %s %s" can be read by a program', async (...path) => {
    const { exitCode, stdout } = await run(['help', ...path, '--json']);

    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(describeCommand(commandAt(program, path)))));
  });

  it.each(leaves)('of "%s %s %s" shows an example that works', async (...path) => {
    const { examples } = describeCommand(commandAt(program, path));

    expect((await run([...path, '--help'])).stdout).toContain(`\nExamples:\n  sallyport ${examples[0]}`);
    for (const example of examples) {
      const words = shellWords(example);
      const called = newProgram();
      const command = commandAt(called, path).action(() => undefined);
      await called.parseAsync(words, { from: 'user' });
      expect(words.slice(0, path.length)).toEqual(path);
      expect(command.args).not.toContain('undefined');
    }
  });

  it('explains each argument and option', () => {
    for (const path of all) {
      const { arguments: registered, options } = describeCommand(commandAt(program, path));
      const silent = [...registered, ...options].filter(({ description }) => description === '');
      expect({ path, silent }).toEqual({ path, silent: [] });
    }
  });
});

describe('a wrong call', () => {
  it.each(all)('with an option that "%s %s %s" does not have is refused', async (...path) => {
    const words = requiredWords(commandAt(program, path));
    await expectWrongCall([...path, ...words, '--no-such-option'], 'has no option --no-such-option.');
  });

  it.each(groups)('with a command that "%s %s" does not have is refused', async (...path) => {
    await expectWrongCall([...path, 'frobnicate'], `There is no command "${path.join(' ')} frobnicate".`);
    await expectWrongCall(['help', ...path, 'frobnicate'], 'has no command "frobnicate".');
  });

  it('is not told of commands that are for scripts only', async () => {
    const { stderr } = await run(['help', 'frobnicate']);
    expect(stderr).toContain('completion, ');
    expect(stderr).not.toContain('__');
  });

  it.each(leaves)('with an argument too many for "%s %s %s" is refused', async (...path) => {
    const command = commandAt(program, path);
    if (command.registeredArguments.some(({ variadic }) => variadic)) return;
    const optional = command.registeredArguments.filter(({ required }) => !required).map(optionalWord);

    const words = [...argumentWords(command), ...optional, 'surplus', ...mandatoryWords(command)];
    await expectWrongCall([...path, ...words], '"surplus" is too much.');
  });

  it.each(leaves)('without an argument that "%s %s %s" needs is refused', async (...path) => {
    const command = commandAt(program, path);
    const [first] = command.registeredArguments.filter(({ required }) => required);
    const mandatory = mandatoryWords(command);
    if (first !== undefined) await expectWrongCall([...path, ...mandatory], `needs <${first.name()}>`);
    if (mandatory.length > 0)
      await expectWrongCall([...path, ...argumentWords(command)], `needs the option ${mandatory[0]}`);
  });

  it.each(leaves)('with an option of "%s %s %s" that lacks its value is refused', async (...path) => {
    for (const option of commandAt(program, path).options.filter(({ required }) => required))
      await expectWrongCall([...path, option.long ?? ''], `${option.long} needs a value`);
  });

  it.each(leaves)(
    'with a value that "%s %s %s" does not know is refused, and the others are named',
    async (...path) => {
      const command = commandAt(program, path);
      for (const { long, argChoices, required } of command.options)
        if (argChoices !== undefined && required)
          await expectWrongCall([...path, ...requiredWords(command), long ?? '', 'no-such'], argChoices.join(', '));
      for (const { required, argChoices } of command.registeredArguments.slice(0, 1))
        if (argChoices !== undefined)
          await expectWrongCall(
            [...path, 'no-such', ...(required ? argumentWords(command).slice(1) : [])],
            argChoices.join(', '),
          );
    },
  );
});

function optionalWord({ argChoices }: Command['registeredArguments'][number]): string {
  return argChoices?.[0] ?? 'x';
}

function argumentWords(command: Command): string[] {
  return requiredWords(command).slice(0, command.registeredArguments.filter(({ required }) => required).length);
}

function mandatoryWords(command: Command): string[] {
  return requiredWords(command).slice(argumentWords(command).length);
}

// These print a script, a certificate or a file: a program that wants JSON does not call them.
const printsNoJson = new Set(['completion', 'coap cbor']);

// This one waits for messages until it is told to stop.
const lastWords = new Map([['mqtt sub', ['--duration', '1s']]]);

describe('with --json', () => {
  it.each(leaves)('"%s %s %s" prints one document, for a failure too', async (...path) => {
    await using directory = temporaryDirectory();
    const [example = ''] = describeCommand(commandAt(program, path)).examples;
    const signal = AbortSignal.timeout(10_000);

    const words = [...shellWords(example), ...(lastWords.get(path.join(' ')) ?? [])];
    const ran = await runSallyport(['--json', '--config-dir', 'site', ...words], {
      cwd: directory.path,
      signal,
    });

    expect(`${ran.stdout}${ran.stderr}`).not.toMatch(jargon);
    expect(signal.aborted).toBe(false);
    if (!printsNoJson.has(path.join(' '))) expectDocuments(ran);
  });
});

const failure = z.object({
  error: z.object({ what: z.string().min(1), remedy: z.string(), type: z.string().min(1) }),
});

function expectDocuments({ exitCode, stdout, stderr }: Ran): void {
  if (stdout !== '') JSON.parse(stdout);
  const [last = ''] = stderr.trimEnd().split('\n').slice(-1);
  if (exitCode === 0 || stdout !== '') expect({ exitCode, stdout }).not.toEqual({ exitCode, stdout: '' });
  else expect(failure.safeParse(JSON.parse(last)).success, last).toBe(true);
}
