import { describe, expect, it } from 'vitest';
import {
  absolutePath,
  deviceId,
  entityTopicId,
  fileAuthorization,
  flag,
  subjectName,
  text,
  topicPrefix,
  trustDomain,
} from './text-values.js';
import type { ValueType } from './value-type.js';

const read = (type: ValueType, typed: string): unknown => type.schema.safeParse(type.fromText(typed, '/home/me')).data;

describe('AbsolutePath', () => {
  it.each([
    ['/etc/tedge/a.pem', '/etc/tedge/a.pem'],
    ['a.pem', '/home/me/a.pem'],
    ['../you/./a.pem', '/home/you/a.pem'],
    ['/a/../b//c/', '/b/c'],
    ['/with blank/ü', '/with blank/ü'],
  ])('reads %s typed in /home/me as %s', (typed, path) => {
    expect(read(absolutePath, typed)).toBe(path);
  });

  it.each(['', '/a\0b', '/a\nb', `/${'x'.repeat(4096)}`])('refuses %j', (typed) => {
    expect(read(absolutePath, typed)).toBeUndefined();
  });

  it('refuses a relative path in the file, where nobody knows what it is relative to', () => {
    expect(absolutePath.schema.safeParse('certs/a.pem').success).toBe(false);
  });
});

describe.each<[string, ValueType, unknown[][], string[]]>([
  ['String', text, [['thin-edge.io', 'thin-edge.io']], ['', 'a\nb', 'a\0', 'x'.repeat(256)]],
  [
    'subject name',
    subjectName,
    [
      ['Acme Ltd', 'Acme Ltd'],
      ['x'.repeat(64), 'x'.repeat(64)],
    ],
    ['', 'x'.repeat(65), 'a\tb'],
  ],
  [
    'device id',
    deviceId,
    [
      ['rpi4-dca632efb150', 'rpi4-dca632efb150'],
      ['00:1b', '00:1b'],
    ],
    ['', 'a/b', '-x', 'a b', 'a..b', 'x'.repeat(65)],
  ],
  [
    'bool',
    flag,
    [
      ['true', true],
      ['false', false],
    ],
    ['', 'yes', 'TRUE', '1', 'auto'],
  ],
  [
    'TopicPrefix',
    topicPrefix,
    [
      ['te', 'te'],
      ['c8y/plant', 'c8y/plant'],
    ],
    ['', 'te/#', '+', 'c8y-internal', 'a\0'],
  ],
  [
    'EntityTopicId',
    entityTopicId,
    [
      ['device/main//', 'device/main//'],
      ['device/child01/service/x', 'device/child01/service/x'],
    ],
    ['', 'device/main', 'device/main/', 'a/b/c/d/e', '///', 'device/+//', 'device/main//#'],
  ],
  [
    'FileAuthorization',
    fileAuthorization,
    [
      ['any', 'any'],
      ['own', 'own'],
    ],
    ['', 'none', 'Any'],
  ],
  [
    'trust domain',
    trustDomain,
    [
      ['sallyport.local', 'sallyport.local'],
      ['a_b-1', 'a_b-1'],
    ],
    ['', 'Upper', 'a/b', 'a b', 'x'.repeat(256)],
  ],
])('%s', (_name, type, accepted, refused) => {
  it.each(accepted)('reads %j as %j', (typed, value) => {
    expect(read(type, String(typed))).toEqual(value);
  });

  it.each(refused)('refuses %j', (typed) => {
    expect(read(type, typed)).toBeUndefined();
  });

  it.each([[{}], [new Date(0)], [10n]])('refuses %s in the file', (value) => {
    expect(type.schema.safeParse(value).success).toBe(false);
  });
});
