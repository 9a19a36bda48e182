import { describe, expect, it } from 'vitest';
import { authorizationIn } from './device-token.js';

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const token = (claims: unknown) => `${encode({ alg: 'ES256' })}.${encode(claims)}.c2lnbmF0dXJl`;
const read = (claims: unknown, now = 1_000) => authorizationIn(Buffer.from(`71,${token(claims)}`), now * 1_000);

describe('a token of the cloud', () => {
  it.each([
    ['as long as it says, whatever the clock of this machine', { iat: 5_000, exp: 8_600 }, 3_600_000],
    ['to its end, when it does not say when it was issued', { exp: 1_600 }, 600_000],
    ['until it is refused, without an end', { iat: 1_000 }, undefined],
    ['until it is refused, when it ends before it begins', { iat: 9, exp: 8 }, undefined],
    ['until it is refused, when it has ended by a clock that may be wrong', { exp: 900 }, undefined],
    ['until it is refused, when its dates are none', { iat: 'x', exp: 'y' }, undefined],
  ])('is valid %s', (_, claims, lifetimeMs) => {
    expect(read(claims)).toEqual({ value: `Bearer ${token(claims)}`, lifetimeMs });
  });

  it('may end with a line break, which is not a part of it', () => {
    expect(authorizationIn(Buffer.from(`71,${token({})}\r\n`), 0).value).toBe(`Bearer ${token({})}`);
  });
});
