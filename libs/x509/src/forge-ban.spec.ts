import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const folder = fileURLToPath(new URL('.', import.meta.url));
const workspace = fileURLToPath(new URL('../../../', import.meta.url));
const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.spec.ts'))
  .map((name) => ({ name, text: readFileSync(`${folder}${name}`, 'utf8') }));
const importers = sources.filter(({ text }) => /from 'node-forge/.test(text));

describe('the place of node-forge', () => {
  it('is PKCS #12, and nowhere else', () => {
    expect(importers.map(({ name }) => name).sort()).toEqual([
      'containers/pkcs12-export.ts',
      'containers/pkcs12-import.ts',
      'containers/pkcs12-iterations.ts',
    ]);
  });

  it.each([
    ['verifies chains', /verifyCertificateChain|createCaStore/],
    ['verifies signatures', /publicKey\.verify|\.verify\(/],
    ['signs', /\.sign\(/],
    ['makes keys', /generateKeyPair|rsa\.(?:create|step)/],
    ['draws random numbers', /forge\.random|prng/],
    ['speaks TLS or HTTP', /forge\.(?:tls|http|xhr|socket|form)/],
    ['parses certificates', /forge\.pki\.certificate(?:From|Request)|certificationRequest/],
  ])('is never where anything %s', (_what, banned) => {
    expect(importers.filter(({ text }) => banned.test(text)).map(({ name }) => name)).toEqual([]);
  });

  it('is held by version 1.4.3 exactly: below are CVE-2025-12816 and four more', () => {
    const lock: unknown = JSON.parse(readFileSync(`${workspace}package-lock.json`, 'utf8'));
    expect(lock).toMatchObject({ packages: { 'node_modules/node-forge': { version: '1.4.3' } } });
    expect(JSON.stringify(lock).match(/node_modules\/[^"]*\/node_modules\/node-forge"/g)).toBeNull();
    const manifest: unknown = JSON.parse(readFileSync(`${workspace}libs/x509/package.json`, 'utf8'));
    expect(manifest).toMatchObject({ dependencies: { 'node-forge': '1.4.3' } });
    const installed: unknown = createRequire(import.meta.url)('node-forge/package.json');
    expect(installed).toMatchObject({ version: '1.4.3' });
  });
});
