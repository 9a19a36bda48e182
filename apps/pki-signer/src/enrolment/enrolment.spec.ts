import { parseCertificate, verifySignedBy } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { csrFor, enrolmentOf, id, openTestSite } from '../signer.fixture.js';

describe('enrolment with a one-time token', () => {
  it('issues a leaf for the name the token is for, signed by the device CA', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const record = await site.signer.enrolment.enrol(enrolmentOf('child01', token));
    const leaf = parseCertificate(Buffer.from(record.certificate, 'base64'));
    expect(leaf.subject.text).toBe('CN=child01,O=Test Site');
    expect(leaf.subjectAltNames).toEqual([{ type: 'uri', value: 'spiffe://sallyport.local/device/child01' }]);
    expect(verifySignedBy(leaf, site.signer.hierarchy.signing('device').certificate)).toBe(true);
    expect(site.registry.questions).toEqual([{ deviceId: id('child01'), kind: 'device', reinstate: false }]);
  });
});
