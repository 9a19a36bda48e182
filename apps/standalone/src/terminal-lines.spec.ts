import { describe, expect, it } from 'vitest';
import { terminalLines } from './terminal-lines.js';

function shown(fields: object): string {
  const written: string[] = [];
  const lines = terminalLines({ write: (text) => written.push(text) });
  const base = { level: 'warn', time: '2026-11-21T10:11:12.345Z', message: 'refused', service: 'agent' };
  lines.write(JSON.stringify({ ...base, ...fields }));
  return written.join('');
}

describe('log lines for a terminal', () => {
  it('show time, level, service, sentence and values', () => {
    expect(shown({ topic: 'te/a', count: 2 })).toBe('10:11:12 warn  agent refused topic=te/a count=2\n');
  });

  it('show the sentence of an error without its stack', () => {
    const error = { name: 'Error', message: 'disk full', stack: 'Error: disk full\n  at x' };
    expect(shown({ error })).toBe('10:11:12 warn  agent refused error="disk full"\n');
  });

  it.each([
    ['a line of its own', 'a\n10:11:13 info  agent admitted', '"a\\n10:11:13 info  agent admitted"'],
    ['a command to the terminal', '\u001b]0;x\u0007', '"\\u001b]0;x\\u0007"'],
    ['an 8-bit command to the terminal', '\u009b2J', '"\\u009b2J"'],
    ['a change of writing direction', 'a\u202eb', '"a\\u202eb"'],
    ['an invisible character beyond U+FFFF', 'a\u{e0041}b', '"a\\udb40\\udc41b"'],
    ['a value that looks like two', 'a admitted=true', '"a admitted=true"'],
  ])('do not let a peer write %s', (_what, topic, expected) => {
    expect(shown({ topic })).toBe(`10:11:12 warn  agent refused topic=${expected}\n`);
    expect(shown({ error: { name: 'Error', message: topic } })).toBe(
      `10:11:12 warn  agent refused error=${expected}\n`,
    );
  });
});
