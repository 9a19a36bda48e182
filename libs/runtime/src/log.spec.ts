import { Problem } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { openLog } from './log.js';

function logged(error: unknown) {
  const lines: string[] = [];
  openLog({ destination: { write: (line) => lines.push(line) } }).error({ error }, 'start failed');
  return JSON.parse(lines[0] ?? '');
}

describe('an error in the log', () => {
  it('has its stack, its code and what caused it', () => {
    const cause = Object.assign(new Error('no entry'), { code: 'ENOENT' });
    const { error } = logged(new Error('cannot read', { cause }));
    expect(error).toMatchObject({ name: 'Error', message: 'cannot read', cause: { code: 'ENOENT' } });
    expect(error.stack).toContain('log.spec.ts');
  });

  it('has words and no stack when they say what to do', () => {
    const { error } = logged(new Problem('config-invalid', 'Set http.key_path too.'));
    expect(error).toEqual({ name: 'Problem', type: 'config-invalid', message: 'Set http.key_path too.' });
  });
});
