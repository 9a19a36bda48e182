import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderCliReference } from './reference.js';

describe('docs/reference/cli.md', () => {
  it('says what the command tree says (else run: node tools/write-reference.mjs)', async () => {
    const page = await readFile(join(import.meta.dirname, '../../../../docs/reference/cli.md'), 'utf8');

    expect(page).toBe(renderCliReference());
  });
});
