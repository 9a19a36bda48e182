import { generateKeyPairSync } from 'node:crypto';
import type { AuditCheckpoint } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { checkpointFault, signCheckpoint } from './checkpoint.js';

const row = { sequence: 7, hash: 'ab'.repeat(32) };
const unsigned = { service: 'device-registry', ...row, at: '2026-06-01T12:00:00.000Z' } as const;
const key = () => generateKeyPairSync('ed25519').privateKey;

describe('a signed checkpoint of an audit log', () => {
  it('proves the row it was made of', () => {
    expect(checkpointFault(signCheckpoint(unsigned, key()), row)).toBeUndefined();
  });

  it('shows that the log was written anew since', () => {
    const written = { sequence: 7, hash: 'cd'.repeat(32) };
    expect(checkpointFault(signCheckpoint(unsigned, key()), written)).toBe(
      'row 7 is not the one of its signed checkpoint',
    );
  });

  it('shows that its row was cut off', () => {
    expect(checkpointFault(signCheckpoint(unsigned, key()), undefined)).toContain('row 7 is gone');
  });

  const other = signCheckpoint(unsigned, key());
  it.each<[string, Partial<AuditCheckpoint>]>([
    ['its hash', { hash: 'cd'.repeat(32) }],
    ['its row', { sequence: 8 }],
    ['its time', { at: '2027-01-01T00:00:00.000Z' }],
    ['its service', { service: 'pki-signer' }],
    ['its key, but not the id of the key', { publicKey: other.publicKey }],
    ['its key and the id of the key', { publicKey: other.publicKey, keyId: other.keyId }],
    ['its signature', { signature: other.signature }],
    ['its key, to something that is none', { publicKey: 'AAAA' }],
  ])('proves nothing when somebody has changed %s', (_what, change) => {
    const checkpoint = { ...signCheckpoint(unsigned, key()), ...change };
    expect(checkpointFault(checkpoint, { ...row, sequence: checkpoint.sequence, hash: checkpoint.hash })).toContain(
      'was changed after it was signed',
    );
  });
});
