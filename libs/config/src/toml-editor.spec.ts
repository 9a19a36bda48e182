import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { parse, stringify } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { isTable, leavesOf } from './toml.js';
import { editToml } from './toml-editor.js';
import type { StoredValue } from './value-type.js';

function edit(text: string, key: string, value: StoredValue | undefined): string {
  return editToml(text, { path: key.split('.'), value, name: 'tedge.toml' });
}

describe('a new key', () => {
  it.each([
    ['an empty file', '', '[http.bind]\nport = 8000\n'],
    ['a file of comments', '# mine\n', '# mine\n\n[http.bind]\nport = 8000\n'],
    ['a file without last line end', 'a = 1', 'a = 1\n\n[http.bind]\nport = 8000\n'],
    ['its table', '[http.bind]\naddress = "::1" # loop\n', '[http.bind]\naddress = "::1" # loop\nport = 8000\n'],
    [
      'its table, above the comment of the next one',
      '[http.bind]\naddress = "::1"\n\n# about MQTT\n[mqtt]\n',
      '[http.bind]\naddress = "::1"\nport = 8000\n\n# about MQTT\n[mqtt]\n',
    ],
    [
      'its table, indented like its neighbours',
      '[http.bind]\n\taddress = "::1"\n',
      '[http.bind]\n\taddress = "::1"\n\tport = 8000\n',
    ],
    ['its empty table', '[http.bind] # nothing yet\n[mqtt]\n', '[http.bind] # nothing yet\nport = 8000\n[mqtt]\n'],
    ['its empty table at the end', '[http.bind]', '[http.bind]\nport = 8000\n'],
    [
      'dotted siblings',
      'http.bind.address = "::1"\na = 1\n',
      'http.bind.address = "::1"\nhttp.bind.port = 8000\na = 1\n',
    ],
    ['dotted cousins', 'http.client.host = "h"\n[x]\n', 'http.client.host = "h"\nhttp.bind.port = 8000\n[x]\n'],
    [
      'dotted siblings in a table',
      '[http]\nbind.address = "::1"\n',
      '[http]\nbind.address = "::1"\nbind.port = 8000\n',
    ],
    [
      'an inline table',
      'http = { bind = { address = "::1" } } # c\n',
      'http = { bind = { address = "::1", port = 8000 } } # c\n',
    ],
    ['an empty inline table', 'http = {}\n', 'http = { bind.port = 8000 }\n'],
    ['Windows line ends', '[http.bind]\r\naddress = "::1"\r\n', '[http.bind]\r\naddress = "::1"\r\nport = 8000\r\n'],
    ['a byte order mark', '\ufeff[http.bind]\n', '\ufeff[http.bind]\nport = 8000\n'],
  ])('finds its place in %s', (_where, before, after) => {
    expect(edit(before, 'http.bind.port', 8000)).toBe(after);
  });
});

describe('a present key', () => {
  it.each([
    ['[http]\nbind.port =   1   # why\n', '[http]\nbind.port =   8000   # why\n'],
    ['"http".\'bind\'."p\\u006frt" = 1\n', '"http".\'bind\'."p\\u006frt" = 8000\n'],
    ['http.bind = {port=1,address="}"}\n', 'http.bind = {port=8000,address="}"}\n'],
    [
      'x = """\n[http.bind]\nport = 1\n""""\n[http.bind]\nport = 1',
      'x = """\n[http.bind]\nport = 1\n""""\n[http.bind]\nport = 8000',
    ],
    ["x = '''\nhttp.bind.port = 2'''\nhttp.bind.port = 1", "x = '''\nhttp.bind.port = 2'''\nhttp.bind.port = 8000"],
    ['x = "a\\"\\\\" # "\nhttp.bind.port = 1', 'x = "a\\"\\\\" # "\nhttp.bind.port = 8000'],
    [
      'x = [ # [\n "]", { y = [1] },\n]\nhttp.bind.port = 0x10\n',
      'x = [ # [\n "]", { y = [1] },\n]\nhttp.bind.port = 8000\n',
    ],
    ['t = 1979-05-27 07:32:00Z\nhttp.bind.port = 1', 't = 1979-05-27 07:32:00Z\nhttp.bind.port = 8000'],
    [
      '[[x]]\nhttp.bind.port = 1\n[x.y]\n[http.bind]\nport = 2',
      '[[x]]\nhttp.bind.port = 1\n[x.y]\n[http.bind]\nport = 8000',
    ],
  ])('changes nothing but its value in %j', (before, after) => {
    expect(edit(before, 'http.bind.port', 8000)).toBe(after);
  });

  it('keeps what other kinds of values mean', () => {
    const text = 'big = 9223372036854775807\nd = 1979-05-27\nf = 1.0\nn = nan\nhttp.bind.port = 1\n';
    expect(edit(text, 'http.bind.port', 2)).toBe(text.replace('port = 1', 'port = 2'));
  });

  it.each<[string, StoredValue, string]>([
    ['text with quotes and line breaks', 'a"b\\c\nd\u007f', 'k.x = "a\\"b\\\\c\\nd\\u007f"'],
    ['a list', ['a', 'b"'], 'k.x = [ "a", "b\\"" ]'],
    ['a truth', true, 'k.x = true'],
  ])('can become %s', (_what, value, line) => {
    expect(edit('k.x = 1', 'k.x', value)).toBe(line);
  });
});

describe('a removed key', () => {
  it.each([
    [
      'takes its line and its comment on that line',
      '# up\n[http.bind]\n# a\nport = 1 # b\n# c\n',
      '# up\n[http.bind]\n# a\n# c\n',
    ],
    ['takes all its lines', 'http.bind.port = [\n 1,\n] # x\na = 1\n', 'a = 1\n'],
    ['may be the last without line end', 'a = 1\nhttp.bind.port = 1', 'a = 1\n'],
    [
      'leaves an inline table from the front',
      'http.bind = { port = 1, address = "x" }',
      'http.bind = { address = "x" }',
    ],
    [
      'leaves an inline table from the back',
      'http.bind = { address = "x", port = 1 }',
      'http.bind = { address = "x" }',
    ],
    ['leaves an inline table empty', 'http.bind = { port = 1 }', 'http.bind = {  }'],
    ['may be a table by mistake', 'http.bind.port = { x = 1 }\na = 1\n', 'a = 1\n'],
    ['may be absent', '[http.bind]\naddress = "x"\n', '[http.bind]\naddress = "x"\n'],
  ])('%s', (_what, before, after) => {
    expect(edit(before, 'http.bind.port', undefined)).toBe(after);
  });
});

describe('an edit that cannot be made', () => {
  it.each([
    'http = 5',
    '[[http]]\nbind.port = 1',
    '[[http]]\n[http.bind]\n',
    'http.bind = []',
    'http.bind = "x"',
    '[http.bind.port]\nx = 1',
  ])('is refused for %j', (text) => {
    expect(() => edit(text, 'http.bind.port', 1)).toThrow('tedge.toml has no room for http.bind.port');
  });
});

describe('any edit of any file', () => {
  const part = fc.constantFrom('http', 'bind', 'port', 'a.b', 'x', 'ü', '#', '"');
  const leaf = fc.oneof(fc.integer(), fc.boolean(), fc.string(), fc.array(fc.string(), { maxLength: 3 }));
  const { table } = fc.letrec<{ table: Record<string, unknown>; value: unknown }>((tie) => ({
    value: fc.oneof({ depthSize: 'small' }, leaf, tie('table')),
    table: fc.dictionary(part, tie('value'), { maxKeys: 4 }),
  }));

  it.each<[string, (table: Record<string, unknown>) => string]>([
    ['tables', (before) => stringify(before)],
    ['dotted keys', (before) => leavesOf(before).map(dottedLine).join('')],
    ['inline tables', (before) => Object.entries(before).map(inlineLine).join('')],
  ])('written with %s changes the one value and none else, or is refused for want of room', (_style, write) => {
    fc.assert(
      fc.property(
        table,
        fc.array(part, { minLength: 2, maxLength: 4 }),
        fc.option(leaf, { nil: undefined }),
        (content, path, value) => {
          const before = parse(write(content));
          const others = leavesOf(before).filter((entry) => !isDeepStrictEqual(entry.path.slice(0, path.length), path));
          const wanted = value === undefined ? others : [...others, { path, value }];
          const edited = attempt(write(content), path, value);
          const room = roomFor(before, path);
          if (room !== 'a table') expect(edited === undefined).toBe(value !== undefined && room === 'none');
          if (edited !== undefined) expect(sorted(leavesOf(parse(edited)))).toEqual(sorted(wanted));
        },
      ),
      { numRuns: 300 },
    );
  });

  function dottedLine({ path, value }: { path: readonly string[]; value: unknown }): string {
    return `${path.map((name) => JSON.stringify(name)).join('.')} = ${literal(value)}\n`;
  }

  function inlineLine([name, value]: [string, unknown]): string {
    return `${JSON.stringify(name)} = ${literal(value)} # comment, with a comma }\n`;
  }

  function literal(value: unknown): string {
    if (!isTable(value))
      return stringify({ value })
        .replace(/^value = /, '')
        .trim();
    return `{ ${Object.entries(value)
      .map(([name, inner]) => `${JSON.stringify(name)} = ${literal(inner)}`)
      .join(', ')} }`;
  }

  function attempt(text: string, path: string[], value: StoredValue | undefined): string | undefined {
    try {
      return editToml(text, { path, value, name: 'tedge.toml' });
    } catch {
      return undefined;
    }
  }

  /** What stands where the value should go; `none` when something that is no table is on the way. */
  function roomFor(content: unknown, path: readonly string[]): 'free' | 'a table' | 'none' {
    const [first, ...rest] = path;
    if (first === undefined) return isTable(content) ? 'a table' : 'free';
    if (!isTable(content)) return 'none';
    return Object.hasOwn(content, first) ? roomFor(content[first], rest) : 'free';
  }

  function sorted(leaves: { path: readonly string[]; value: unknown }[]) {
    return leaves.toSorted((a, b) => (JSON.stringify(a.path) < JSON.stringify(b.path) ? -1 : 1));
  }
});
