import { Problem } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { thrownBy } from '../authority.fixture.js';
import { certificateDocument } from '../documents.js';
import { DerReader } from './reader.js';
import { tags } from './tags.js';

const reading = (hex: string) => new DerReader(Buffer.from(hex, 'hex'), certificateDocument);

describe('DER reader (X.690 §10)', () => {
  it.each([
    ['an indefinite length', '3080', 'has an indefinite length'],
    ['a long form where the short one fits', '30817f', 'is not in its shortest form'],
    ['a length with a leading zero', `30820080${'00'.repeat(128)}`, 'is not in its shortest form'],
    ['a length of five octets', '30850000000001', 'has a length of more than 4 octets'],
    ['the reserved length 0xff', '30ff', 'has a length of more than 4 octets'],
    ['content that goes beyond the input', '300500', 'is longer than what holds it'],
    ['a header that is cut off', '3082', 'ends early'],
    ['a tag without a length', '30', 'ends early'],
    ['a tag of several bytes', '7f2000', 'has a tag of several bytes'],
    ['nothing at all', '', 'is missing'],
    ['another tag than expected', '0500', 'has tag 0x05 where 0x30 belongs'],
  ])('refuses %s', (_case, hex, reason) => {
    const error = thrownBy(() => reading(hex).skip(tags.sequence));
    expect(error).toBeInstanceOf(Problem);
    expect(error).toMatchObject({ type: 'certificate-rejected', message: expect.stringContaining(reason) });
  });

  it('takes lengths of one to four octets in their shortest form', () => {
    for (const length of [0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000]) {
      const header = { 127: '047f', 128: '048180', 255: '0481ff', 256: '04820100', 65535: '0482ffff' }[length];
      const element = Buffer.concat([Buffer.from(header ?? '0483010000', 'hex'), Buffer.alloc(length)]);
      expect(new DerReader(element, certificateDocument).readContent(tags.octetString)).toHaveLength(length);
    }
  });

  it('follows 16 levels of nesting and no more', () => {
    const nested = (levels: number) => {
      let element = Buffer.alloc(0);
      for (let level = 0; level < levels; level++) element = Buffer.concat([Buffer.of(0x30, element.length), element]);
      return new DerReader(element, certificateDocument);
    };
    expect(nested(16).readElement()).toHaveLength(32);
    expect(() => nested(17).readElement()).toThrow('nests deeper than 16 levels');
  });

  it('refuses an element that is left before its end', () => {
    const reader = reading('3003020105');
    reader.enter(tags.sequence);
    expect(() => reader.leave()).toThrow('is more than what holds it allows');
  });

  it('refuses bytes after the end of the document', () => {
    const reader = reading('30000500');
    reader.skip(tags.sequence);
    expect(() => reader.finish()).toThrow('comes after the end');
  });

  it('checks what is nested inside an element it only passes over', () => {
    expect(() => reading('300430023080').skip()).toThrow('has an indefinite length');
  });

  it('names the byte at fault', () => {
    const reader = reading('300602010102810100');
    reader.enter(tags.sequence);
    reader.skip();
    expect(() => reader.skip()).toThrow('the element at byte 5 ');
  });

  it('hands out views of the input, not copies', () => {
    const input = Buffer.from('30030201ff', 'hex');
    const reader = new DerReader(input, certificateDocument);
    expect(reader.readElement().buffer).toBe(input.buffer);
  });
});
