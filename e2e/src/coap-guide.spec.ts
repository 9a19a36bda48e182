import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Machine } from './seeds/machine.js';
import { isAsShown, shownCommands } from './seeds/sessions.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A block of a page: what it holds, and `sh` or `console`. */
interface Block {
  readonly kind: string;
  readonly text: string;
}

/**
 * Runs the first part of docs/coap.md on a machine of its own, word for word, and compares what is printed with what the
 * page shows.
 */
describe('docs/coap.md, followed from the beginning', () => {
  let page: string;
  let machine: Machine;
  let device: ChildProcess | undefined;
  let printed = '';

  beforeAll(async () => {
    page = await readFile(`${root}docs/coap.md`, 'utf8');
    machine = await Machine.boot({ hostname: 'gateway' });
    // The page is read in a clone, in a folder of any name.
    const { failures } = await machine.run(`ln -s '${root}libs' libs`);
    expect(failures).toEqual([]);
  });

  afterAll(() => machine?.[Symbol.asyncDispose]());

  function blocksOf(heading: string): Block[] {
    const [, section = ''] = page.split(`\n## ${heading}\n`);
    const [own = ''] = section.split('\n## ');
    return [...own.matchAll(/^```(sh|console)\n([\s\S]*?)^```$/gm)].map(([, kind = '', text = '']) => ({ kind, text }));
  }

  async function follow({ kind, text }: Block): Promise<void> {
    if (kind === 'sh') {
      const { failures, stderr } = await machine.run(text);
      expect(failures, `${text}\n${stderr}\n${machine.log}`).toEqual([]);
      return;
    }
    const commands = shownCommands(text);
    // The terminal where the device runs.
    if (commands.length === 0) await type(text.trimEnd().split('\n'));
    for (const { command, output } of commands) {
      if (command.startsWith('./ocf-device')) await playDevice(command, output);
      else expectShown(await machine.run(command), { command, output });
    }
  }

  function expectShown(
    { stdout, stderr, failures }: Awaited<ReturnType<Machine['run']>>,
    { command, output }: { command: string; output: readonly string[] },
  ): void {
    expect(failures, `${command}\n${stderr}\n${machine.log}`).toEqual([]);
    expect(isAsShown(stdout, output), `${command} printed\n${stdout}and the page shows\n${output.join('\n')}`).toBe(
      true,
    );
  }

  /**
   * The second terminal. The device goes on while the page does. Its requests and those of the gateway cross, so the order
   * of what it prints is not compared.
   */
  async function playDevice(command: string, lines: readonly string[]): Promise<void> {
    device = machine.sandbox.spawn('bash', ['-c', `cd && exec ${command} --stay`]);
    const read = (chunk: Buffer): void => {
      printed += chunk.toString();
    };
    device.stdout?.on('data', read);
    device.stderr?.on('data', read);
    await type(lines);
  }

  async function type(lines: readonly string[]): Promise<void> {
    printed = '';
    for (const line of lines)
      if (/^(?:GET|POST|DELETE|light) /.test(line)) device?.stdin?.write(`${line}\n`);
      else {
        const isPrinted = () => printed.split('\n').some((each) => isAsShown(`${each}\n`, [line]));
        await waitFor(isPrinted, { what: `${line} in ${printed}\n${machine.log}` });
      }
  }

  it.each(['From nothing to a device that is signed in', 'A device that stays', 'EST over CoAP'])(
    '%s',
    async (heading) => {
      const blocks = blocksOf(heading);
      expect(blocks.length).toBeGreaterThan(1);
      for (const block of blocks) await follow(block);
    },
  );
});
