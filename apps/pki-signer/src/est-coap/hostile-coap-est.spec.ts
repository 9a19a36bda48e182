import { contentFormats } from '@sallyport/coap-wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { csrFor } from '../signer.fixture.js';
import { connectTo, openCoapEst } from './coap-est.fixture.js';

const name = 'uuid:b5a2a42e-b285-42f1-a36b-034c8fc8efd5';

const segment = fc.oneof(
  fc.constantFrom('.well-known', 'est', 'core', 'crts', 'sen', 'sren', 'att', 'authz-info', 'device', 'chain', 'skg'),
  fc.string({ minLength: 1, maxLength: 20 }).filter((text) => !text.includes('/') && text !== '.' && text !== '..'),
);
const path = fc.oneof(
  fc.array(segment, { minLength: 1, maxLength: 5 }),
  fc.constantFrom('crts', 'sen', 'sren', 'att').map((resource) => ['.well-known', 'est', resource]),
);
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 2_000 }).map((bytes) => Buffer.from(bytes)),
  fc.string({ maxLength: 300 }).map((text) => Buffer.from(text)),
  fc.nat(300).map((cut) => csrFor(name).subarray(0, cut)),
);
const format = fc.option(fc.constantFrom(...Object.values(contentFormats), 65_535), { nil: undefined });

describe('requests of somebody who tries everything', () => {
  it('are answered with what is wrong, and never with a certificate or a fault inside', async () => {
    await using entrance = await openCoapEst();
    await entrance.site.token({ deviceId: name });
    await using client = await connectTo(entrance);
    const request = fc.record({
      method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE'),
      path,
      query: fc.array(fc.string({ maxLength: 40 }), { maxLength: 3 }),
      contentFormat: format,
      accept: format,
      payload,
    });
    await fc.assert(
      fc.asyncProperty(request, async ({ contentFormat, accept, ...rest }) => {
        const formats = {
          ...(contentFormat === undefined ? {} : { contentFormat }),
          ...(accept === undefined ? {} : { accept }),
        };
        const { code } = await client.request({ ...rest, ...formats }, { deadlineMs: 10_000 });
        expect(code).toMatch(/^(?:2\.01|2\.05|4\.\d\d)$/);
      }),
      { numRuns: 500 },
    );
    const { rows } = await entrance.site.signer.audit.page({ after: 0, limit: 1000 });
    expect(rows.filter(({ subject }) => subject === name).map(({ action }) => action)).toEqual(['enrolment-created']);
    expect(entrance.logged).toEqual([]);
  });
});
