import { expect, it } from 'vitest';
import { errorCode, hasCode, isAbsent } from './error-code.js';

const fault = (code: unknown) => Object.assign(new Error('failed'), { code });

it.each([
  [fault('ENOENT'), 'ENOENT', true],
  [fault('ENOTDIR'), 'ENOTDIR', true],
  [fault('EACCES'), 'EACCES', false],
  [fault(5), undefined, false],
  [new Error('ENOENT'), undefined, false],
  [{ code: 'ENOENT' }, undefined, false],
  [undefined, undefined, false],
])('reads the code of %o', (error, code, absent) => {
  expect(errorCode(error)).toBe(code);
  expect(isAbsent(error)).toBe(absent);
});

it('compares with several codes, and never with one that is not there', () => {
  expect(hasCode(fault('EPERM'), 'EACCES', 'EPERM')).toBe(true);
  expect(hasCode(fault('EIO'), 'EACCES', 'EPERM')).toBe(false);
  expect(hasCode(new Error('failed'), 'undefined')).toBe(false);
});
