import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { root, runtime } from './bootstrap.mjs';
import { Program } from './proofs/program.mjs';

const longMs = 60_000;
// A second signal ends it before it has drained, as it does a service.
const service = `
let signals = 0;
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    signals += 1;
    if (signals > 1) process.exit(130);
    setTimeout(() => { console.log('drained'); process.exit(0); }, 50);
  });
setInterval(() => undefined, 1_000);
console.log('runs');
`;

describe('nx serve', () => {
  let folder;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dev-'));
    mkdirSync(join(folder, 'src'));
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    writeFileSync(join(folder, 'tsconfig.json'), '{}');
    writeFileSync(join(folder, 'src/main.ts'), service);
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it('ends with 130 after Ctrl-C, when the service has drained', async () => {
    const child = spawn(runtime(), [join(root, 'tools/dev.mjs')], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const program = new Program(child, () => undefined);
    await program.says(/^runs$/m, longMs);
    // From the terminal, and from nx.
    program.interrupt();
    program.interrupt();
    expect(await program.end(longMs)).toBe(130);
    expect(program.output).toMatch(/^drained$/m);
    expect(program.output).not.toContain('starts again');
  });
});
