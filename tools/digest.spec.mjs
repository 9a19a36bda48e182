import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digest, digestIn, keepProof, keptProofs } from './digest.mjs';

const failure = (number) => ({ where: `a.spec.ts > title ${number}`, error: 'AssertionError: expected 1 to be 2' });

describe('the digest of a test run', () => {
  it('is empty when nothing failed', () => {
    expect(digest([])).toBe('');
  });

  it('names each failed test with the first line of its error', () => {
    expect(digest([failure(1), { where: 'outside of a test', error: 'Error: boom' }])).toBe(
      [
        'Failed (2):',
        '  a.spec.ts > title 1',
        '    AssertionError: expected 1 to be 2',
        '  outside of a test',
        '    Error: boom',
      ].join('\n'),
    );
  });

  it('has at most 60 lines of at most 160 characters', () => {
    const many = Array.from({ length: 100 }, (_, number) => ({ where: String(number), error: 'x'.repeat(1_000) }));
    const lines = digest(many).split('\n');
    expect([lines.length, Math.max(...lines.map((line) => line.length))]).toEqual([60, 160]);
    expect(lines.at(-1)).toBe('  and 71 more');
  });

  it('is found in the output of the run', () => {
    const output = `✓ a\n  ✓ b\n${digest([failure(1), failure(2)])}\n8 passed, 2 failed, 0 skipped\n`;
    expect(digestIn(output)).toBe(`${digest([failure(1), failure(2)])}\n`);
  });

  it('is the end of an output that has none', () => {
    expect(digestIn('biome ci . failed.\n')).toBe('biome ci . failed.\n');
  });
});

describe('what the proofs found', () => {
  let directory;
  let environment;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'sallyport-digest-'));
    environment = { SALLYPORT_PROOFS_DIGEST: join(directory, 'digest') };
    writeFileSync(environment.SALLYPORT_PROOFS_DIGEST, '');
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  it('is kept for the program that says it last', () => {
    keepProof('bare-root: proved in 5 s', environment);
    keepProof('another-day: not proved after 7 s: a test depends on today.', environment);
    expect(keptProofs(environment)).toBe(
      'bare-root: proved in 5 s\nanother-day: not proved after 7 s: a test depends on today.',
    );
  });

  it('is kept short: its beginning and its end', () => {
    keepProof(`bare-root: ${'x'.repeat(100_000)} last words`, environment);
    const kept = keptProofs(environment);
    expect(kept.length).toBeLessThan(2_500);
    expect(kept).toMatch(/^bare-root: x+\n\[…\]\nx+ last words$/);
  });

  it('is kept only where the environment says so', () => {
    keepProof('bare-root: proved in 5 s', {});
    expect(keptProofs({})).toBe('');
  });
});
