import { Problem } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { c8yProxyMethods, parseC8yProxyRules } from './c8y-proxy-rules.js';

const parse = (...lines: readonly string[]) => parseC8yProxyRules(lines.join('\n'), 'rules.toml');

/** What is wrong with a file. */
function faultOf(...lines: readonly string[]): string {
  try {
    parse(...lines);
  } catch (error) {
    if (error instanceof Problem && error.type === 'config-invalid') return error.message;
    throw error;
  }
  throw new Error('the file is valid');
}

describe('rules for clients of the Cumulocity proxy', () => {
  it('say who may use which methods on which paths', () => {
    expect(
      parse(
        '[[rule]]',
        'purpose = "Presses send measurements."',
        'roles = ["device"]',
        'names = ["press-7"]',
        'methods = ["GET", "POST"]',
        'paths = ["/measurement", "/identity/externalIds/c8y_Serial/{id}"]',
      ),
    ).toEqual([
      {
        roles: ['device'],
        names: ['press-7'],
        methods: ['GET', 'POST'],
        paths: ['/measurement', '/identity/externalIds/c8y_Serial/{id}'],
      },
    ]);
  });

  it('allow every method where they name none', () => {
    expect(parse('[[rule]]', 'roles = ["admin"]', 'paths = ["/"]')[0]?.methods).toEqual(c8yProxyMethods);
  });

  it('may be none at all', () => {
    expect(parse('')).toEqual([]);
  });

  const good = ['[[rule]]', 'roles = ["device"]', 'paths = ["/a"]', '', '[[rule]]'] as const;
  it.each([
    [['names = ["x"]'], 5, 'The rule gives no rights. Set paths; "/" is every path.'],
    [['paths = ["/b"]'], 5, 'The rule is for nobody. Set roles or names.'],
    [['role = ["device"]'], 6, '"role" is not known. Use purpose, roles, names, methods, paths.'],
    [['roles = ["child"]'], 6, 'roles holds "child". Rules can be for these roles: anonymous, device, '],
    [['names = ["a/b"]'], 6, 'names holds "a/b", which '],
    [['names = ["x"]', 'methods = ["get"]'], 7, 'methods holds "get". The proxy passes on: GET, HEAD, POST, '],
    [['names = ["x"]', 'methods = []', 'paths = ["/"]'], 7, 'methods is empty. Leave it out to allow every method.'],
    [['names = ["x"]', 'paths = [', '  "/a",', '  "b",', ']'], 9, 'paths holds "b": a path begins with "/".'],
    [['names = ["x"]', 'paths = ["/c8y/a"]'], 7, 'paths holds "/c8y/a": write the path as the tenant knows it, '],
    [['names = ["x"]', 'paths = ["/a%2Fb"]'], 7, 'paths holds "/a%2Fb": write it decoded'],
    [['names = ["x"]', 'paths = ["/a/*"]'], 7, 'paths holds "/a/*": write it decoded'],
    [['names = ["x"]', 'paths = ["/a/../b"]'], 7, 'paths holds "/a/../b": it has an empty level, "." or "..".'],
    [['names = ["x"]', 'paths = ["/a//b"]'], 7, 'paths holds "/a//b": it has an empty level'],
    [['names = ["x"]', 'paths = ["/{name}"]'], 7, 'paths holds "/{name}": the only text in braces is {id}'],
    [['names = ["x"]', 'paths = "/a"'], 7, 'paths is "/a", which is not a list of texts.'],
    [['names = ["x"]', 'paths = [1]'], 7, 'paths holds 1, which is not a text.'],
    [['purpose = 1'], 6, 'purpose is 1, which is not a text.'],
  ])('are refused with their line: %j', (lines, line, reason) => {
    expect(faultOf(...good, ...lines)).toContain(`rules.toml, line ${line}: ${reason}`);
  });

  it('are refused where the file holds something else', () => {
    expect(faultOf('', 'allow = true')).toContain('rules.toml, line 2: "allow" is not known. Write [[rule]].');
    expect(faultOf('[rule]', 'roles = ["device"]')).toContain('Write each rule as a table of its own');
    expect(faultOf('[[rule]]', 'roles = [')).toContain('rules.toml');
  });

  it('are refused in great numbers', () => {
    const one = ['[[rule]]', 'roles = ["device"]', 'paths = ["/a"]'];
    expect(faultOf(...Array.from({ length: 257 }, () => one).flat())).toContain(
      'There are 257 rules; 256 may be used.',
    );
  });
});
