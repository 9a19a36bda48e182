import { describe, expect, it } from 'vitest';
import { JsonFault, readJson } from './json-text.js';

function faultOf(text: string): string {
  try {
    readJson(text);
    return 'none';
  } catch (error) {
    if (error instanceof JsonFault) return error.message;
    throw error;
  }
}

describe('a JSON text', () => {
  it.each([
    ['1.2.3', 'trailing characters at line 1 column 4'],
    ['1-2', 'trailing characters at line 1 column 2'],
    ['true true', 'trailing characters at line 1 column 6'],
    ['{"a":1}{"b":2}', 'trailing characters at line 1 column 8'],
    ['', 'EOF while parsing a value at line 1 column 0'],
    ['{"a":', 'EOF while parsing a value at line 1 column 5'],
    ['{"a"', 'EOF while parsing an object at line 1 column 4'],
    ['[1', 'EOF while parsing a list at line 1 column 2'],
    ['"a', 'EOF while parsing a string at line 1 column 2'],
    ['x', 'expected value at line 1 column 1'],
    ['{a:1}', 'key must be a string at line 1 column 2'],
    ['{"a" 1}', 'expected `:` at line 1 column 6'],
    ['{"a":1 2}', 'expected `,` or `}` at line 1 column 8'],
    ['{"a":1,}', 'trailing comma at line 1 column 8'],
    ['[1,]', 'trailing comma at line 1 column 4'],
    ['"\\x"', 'invalid escape at line 1 column 2'],
    ['{\n  "ä": -}', 'invalid number at line 2 column 9'],
  ])('%j is told: %s', (text, fault) => {
    expect(faultOf(text)).toBe(fault);
  });

  it.each([
    '[1, 2.5e3, -0, {"a": "\\u00e4\\n"}, null, true, false, "", {}, []]',
    ' "\u0085 \u2028" ',
    '{"__proto__":1}',
  ])('%j is read as JSON.parse reads it', (text) => {
    expect(JSON.stringify(readJson(text).value)).toBe(JSON.stringify(JSON.parse(text)));
  });

  it('is refused when it is deeper than 127 levels, however deep it is', () => {
    expect(readJson('['.repeat(127) + ']'.repeat(127)).value).toBeDefined();
    expect(faultOf('['.repeat(128) + ']'.repeat(128))).toBe('recursion limit exceeded at line 1 column 128');
    expect(faultOf('['.repeat(1_000_000))).toBe('recursion limit exceeded at line 1 column 128');
  });

  it('agrees with JSON.parse about what is JSON', () => {
    const pieces = ['{', '}', '[', ']', ',', ':', '"a"', '1', '-', '0', '.', 'e', 'true', 'null', ' ', '\\', '"'];
    let seed = 1;
    for (let round = 0; round < 20_000; round += 1) {
      let text = '';
      for (let length = 0; length < 1 + (round % 8); length += 1) {
        seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
        text += pieces[seed % pieces.length] ?? '';
      }
      expect([text, faultOf(text) === 'none']).toEqual([text, isJson(text)]);
    }
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
