import type { IdentityFormat, IdentityNaming } from '@sallyport/protocol';
import { type CertificateOptions, TestCa } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leafOf } from './certificates.fixture.js';
import { checkNaming, identityOf } from './identity.js';
import { formatIdentity } from './identity-format.js';

const opaque: IdentityFormat = { type: 'opaque', casing: 'mixed' };

describe('the identity of a device', () => {
  let ca: TestCa;
  beforeAll(async () => {
    ca = await TestCa.create();
  });
  afterAll(() => ca[Symbol.asyncDispose]());

  interface Rules {
    readonly naming?: IdentityNaming;
    readonly namespace?: string;
    readonly format?: IdentityFormat;
  }

  const identity = async (options: CertificateOptions, rules: Rules = {}) => {
    const { naming = { by: 'cn' }, namespace, format = opaque } = rules;
    const clientCa = { naming, ...(namespace === undefined ? {} : { namespace }) };
    const named = identityOf(await leafOf(ca, options), { clientCa, format });
    return named.identity ?? `${named.fault}: ${named.text}`;
  };

  it('is the one CN of its certificate', async () => {
    expect(await identity({ commonName: 'pump-17' })).toBe('pump-17');
  });

  it.each([
    ['no CN', { subject: [['O', 'acme']] }, 'name-missing: The certificate has no common name (CN).'],
    [
      'two CNs',
      {
        subject: [
          ['CN', 'one'],
          ['CN', 'two'],
        ],
      },
      'name-ambiguous: The certificate has 2 values',
    ],
    ['a proof of possession', { commonName: '_sallyport-proof-00' }, 'name-invalid: The certificate is a proof'],
  ] as const)('is none with %s', async (_case, options, reason) => {
    expect(await identity(options)).toContain(reason);
  });

  it.each([
    'a/b',
    'a+b',
    '#',
    'a b',
    '.hidden',
    'a..b',
    '-a',
    'a\u200bb',
    '‮x',
    'a<script>',
    "o'neil",
    'a%00',
    'é',
    '=1+1',
  ])('is none for the CN %j', async (commonName) => {
    expect(await identity({ commonName })).toContain('name-invalid: The name ');
  });

  it('can be made by a template of several fields', async () => {
    const subject = [
      ['O', 'acme'],
      ['serialNumber', '0042'],
    ] as const;
    const naming = { by: 'template', template: '{o}-{serialNumber}' } as const;
    expect(await identity({ subject }, { naming })).toBe('acme-0042');
    expect(await identity({ commonName: 'x' }, { naming })).toBe('name-missing: The certificate has no "o".');
  });

  it('can be the group of a pattern', async () => {
    const naming = { by: 'regex', pattern: '^([a-z]+)\\.example$' } as const;
    expect(await identity({ commonName: 'pump.example' }, { naming })).toBe('pump');
    expect(await identity({ commonName: 'pump.other' }, { naming })).toContain('name-invalid: The CN "pump.other"');
  });

  it('begins with the namespace of its Client CA', async () => {
    expect(await identity({ commonName: 'acme-1' }, { namespace: 'acme-' })).toBe('acme-1');
    expect(await identity({ commonName: 'other-1' }, { namespace: 'acme-' })).toContain('identity-outside-namespace: ');
  });

  it('has the format of its connector', async () => {
    const format = { type: 'base10', casing: 'mixed', length: 4 } as const;
    expect(await identity({ commonName: '0042' }, { format })).toBe('0042');
    expect(await identity({ commonName: '42' }, { format })).toBe(
      'identity-format: The identity "42" is not 4 decimal digits.',
    );
  });

  it.each([
    [{ by: 'template', template: 'all' }, 'all devices would have one identity'],
    [{ by: 'template', template: '{o}' }, 'all devices would have one identity'],
    [{ by: 'template', template: '{cn}{issuer}' }, 'asks for "{issuer}"'],
    [{ by: 'template', template: '{cn}}' }, 'has a brace that belongs to nothing'],
    [{ by: 'regex', pattern: '^(a+)+$' }, 'a group cannot be repeated'],
  ] as const)('is not named by %j', (naming, reason) => {
    expect(() => checkNaming(naming)).toThrow(reason);
  });
});

describe('the format of identities', () => {
  it.each([
    ['opaque', 'any:thing', 'any:thing'],
    ['base10', '00123', '00123'],
    ['base16', 'BEEF01', 'BEEF01'],
    ['uuid', '123e4567-e89b-12d3-a456-426614174000', '123e4567-e89b-12d3-a456-426614174000'],
    ['uuidv4', '123e4567-e89b-42d3-a456-426614174000', '123e4567-e89b-42d3-a456-426614174000'],
    ['mac:48', '00:1b:44:11:3a:b7', '00:1b:44:11:3a:b7'],
    ['mac-48', '00-1b-44-11-3a-b7', '00-1b-44-11-3a-b7'],
    ['mac.48', '001b.4411.3ab7', '001b.4411.3ab7'],
  ] as const)('%s takes %s', (type, text, identity) => {
    expect(formatIdentity(text, { type, casing: 'mixed' })).toEqual({ identity });
  });

  it.each([
    ['base10', '12a'],
    ['base16', 'xyz'],
    ['uuid', '123e4567e89b12d3a456426614174000'],
    ['uuidv4', '123e4567-e89b-12d3-a456-426614174000'],
    ['mac:48', '00-1b-44-11-3a-b7'],
    ['mac-48', '00:1b:44:11:3a:b7'],
    ['mac.48', '001b44113ab7'],
  ] as const)('%s refuses %s', (type, text) => {
    expect(formatIdentity(text, { type, casing: 'mixed' })).toHaveProperty('fault');
  });

  it('changes the case as the connector says', () => {
    expect(formatIdentity('Pump-A', { type: 'opaque', casing: 'lower' })).toEqual({ identity: 'pump-a' });
    expect(formatIdentity('Pump-A', { type: 'opaque', casing: 'upper' })).toEqual({ identity: 'PUMP-A' });
  });

  it('looks at what follows the prefix', () => {
    const format = { type: 'base10', casing: 'lower', prefix: 'SN-', length: 2 } as const;
    expect(formatIdentity('sn-42', format)).toEqual({ identity: 'sn-42' });
    expect(formatIdentity('42', format)).toEqual({ fault: 'The identity "42" does not begin with "sn-".' });
  });
});
