import { mkdir, writeFile } from 'node:fs/promises';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { readRuleSet } from './rule-directory.js';
import { variablesOf } from './rules.fixture.js';

const variables = variablesOf();

function file(direction: string, topic: string, prefixes: readonly [string, string] = ['l/', 'r/']): string {
  const [local, remote] = prefixes;
  return `local_prefix = "${local}"\nremote_prefix = "${remote}"\n[[rule]]\ntopic = "${topic}"\ndirection = "${direction}"\n`;
}

async function folder(files: Readonly<Record<string, string | Uint8Array>>) {
  const directory = temporaryDirectory();
  for (const [name, content] of Object.entries(files)) await writeFile(directory.file(name), content);
  const read = () => readRuleSet({ directory: directory.path, variables });
  return { directory, read, [Symbol.asyncDispose]: () => directory.remove() };
}

describe('a folder of rule files', () => {
  it('gives the rules of all its files, in the order of their names', async () => {
    await using site = await folder({ 'b.toml': file('outbound', 'b'), 'a.toml': file('outbound', 'a') });
    expect((await site.read()).rules.map(({ topic }) => topic)).toEqual(['a', 'b']);
  });

  it('leaves out templates, other files, and files with a marker', async () => {
    await using site = await folder({
      'a.toml': file('outbound', 'a'),
      'a.toml.template': file('outbound', 'x'),
      'notes.txt': 'no rules',
      'off.toml': 'this is no TOML',
      'off.toml.disabled': '',
      'renamed.toml.disabled': file('outbound', 'x'),
    });
    const { rules, disabledFiles } = await site.read();
    expect(rules.map(({ topic }) => topic)).toEqual(['a']);
    expect(disabledFiles).toEqual(['off.toml', 'renamed.toml']);
  });

  it('has no rules where it does not exist', async () => {
    await using site = await folder({});
    const set = await readRuleSet({ directory: site.directory.file('absent'), variables });
    expect(set).toEqual({ rules: [], skipped: [], disabledFiles: [], fileCount: 0 });
  });

  it('is refused with the faults of all its files together', async () => {
    await using site = await folder({
      'a.toml': file('sideways', 'a'),
      'b.toml': file('outbound', 'a/#/b'),
      'c.toml': 'x =',
      'd.toml': new Uint8Array([0xff, 0xfe]),
      'e.toml': file('outbound', 'fine'),
    });
    const problem = await site.read().catch((fault: unknown) => fault);
    expect(String(problem)).toMatch(/The bridge rules have 4 faults:/);
    expect(String(problem)).toMatch(/a\.toml, line 5: direction/);
    expect(String(problem)).toMatch(/b\.toml, line 4: topic "a\/#\/b"/);
    expect(String(problem)).toMatch(/c\.toml is not valid TOML at line 1/);
    expect(String(problem)).toMatch(/d\.toml: It is not UTF-8/);
    expect(problem).toMatchObject({ type: 'config-invalid', extensions: { faults: { length: 4 } } });
  });

  it('is refused when rules of two files send messages round and round', async () => {
    await using site = await folder({ 'a.toml': file('outbound', '#'), 'b.toml': file('inbound', 'x/#') });
    await expect(site.read()).rejects.toThrow(/a\.toml, line 3: what this rule sends .* \(b\.toml, line 3\)/);
  });

  it('is refused when it holds a pipe or a folder in the place of a file, instead of waiting', async () => {
    await using site = await folder({});
    await mkdir(site.directory.file('a.toml'));
    await expect(site.read()).rejects.toThrow('a.toml: It is a directory');
  });

  it('has bounds for files, bytes and rules', async () => {
    await using large = await folder({ 'a.toml': `# ${'x'.repeat(65_536)}` });
    await expect(large.read()).rejects.toThrow('a.toml: It has 65538 bytes; 65536 may be used.');
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`${index}.toml`, '']));
    await using crowded = await folder(many);
    await expect(crowded.read()).rejects.toThrow('There are 65 files; 64 may be used.');
    const rules = '[[rule]]\ntopic = "a"\ndirection = "outbound"\n'.repeat(129);
    const half = `local_prefix = "l/"\nremote_prefix = "r/"\n${rules}`;
    await using full = await folder({ 'a.toml': half, 'b.toml': half });
    await expect(full.read()).rejects.toThrow('There are 258 rules; 256 may be used.');
  });
});
