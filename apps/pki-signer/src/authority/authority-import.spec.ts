import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuthorityPurpose } from '@sallyport/protocol';
import { mustRun, TestCa } from '@sallyport/testkit';
import { importBundle, issueRootCertificate, parseCertificate, pemFromDer } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { day, enrolmentOf, openTestSite, problemOf, type TestSite } from '../signer.fixture.js';
import { exportAuthority } from './authority-export.js';

const importInto = ({ signer }: TestSite, purpose: AuthorityPurpose, bundle: string | Buffer, passphrase?: string) =>
  signer.importer.import(
    {
      purpose,
      bundle: Buffer.from(bundle).toString('base64'),
      ...(passphrase === undefined ? {} : { passphrase }),
      ...(purpose === 'root' ? { overlapSeconds: 0 } : {}),
    },
    'admin',
  );

const statesOf = ({ signer }: TestSite) =>
  Object.fromEntries(signer.hierarchy.all.map(({ record }) => [record.id, record.state]));

const enrolled = async (site: TestSite, name = 'child01') =>
  site.signer.enrolment.enrol(enrolmentOf(name, await site.token({ deviceId: name })));

const acme = { commonName: 'Acme Root', notAfter: new Date('2045-01-01T00:00:00Z') };

const bundleOf = ({ certificate }: TestCa) => certificate.certPem + certificate.keyPem;

async function encryptedKey({ certificate }: TestCa, passphrase: string): Promise<string> {
  const args = ['pkcs8', '-topk8', '-v2', 'aes-256-cbc', '-in', certificate.keyPath, '-passout', `pass:${passphrase}`];
  return mustRun('openssl', args);
}

async function pkcs12(site: TestSite, { certificate }: TestCa, passphrase: string): Promise<Buffer> {
  const path = join(site.directory, 'ca.p12');
  const files = ['-inkey', certificate.keyPath, '-in', certificate.certPath, '-out', path];
  await mustRun('openssl', ['pkcs12', '-export', ...files, '-passout', `pass:${passphrase}`]);
  return readFile(path);
}

describe('import of a root CA', () => {
  it.each(['P-256', 'P-384', 'RSA 2048'] as const)('puts new issuing CAs below a root with a %s key', async (key) => {
    await using site = await openTestSite();
    await using ca = await TestCa.create({ ...acme, key });
    await importInto(site, 'root', bundleOf(ca));
    expect(statesOf(site)).toEqual({
      'device-1': 'retiring',
      'device-2': 'active',
      'root-1': 'retiring',
      'root-2': 'active',
      'service-1': 'retiring',
      'service-2': 'active',
    });
    expect((await enrolled(site)).issuer).toBe('device-2');
    expect(site.signer.hierarchy.rootOf(site.signer.hierarchy.byId('device-2')).certificate.subject.text).toBe(
      'CN=Acme Root',
    );
  });

  it('takes a key encrypted as PKCS#8 with its password', async () => {
    await using site = await openTestSite();
    await using ca = await TestCa.create(acme);
    await importInto(site, 'root', ca.certPem + (await encryptedKey(ca, 'open sesame')), 'open sesame');
    expect(statesOf(site)).toMatchObject({ 'root-2': 'active' });
  });

  it('takes a PKCS#12 file made by openssl', async () => {
    await using site = await openTestSite();
    await using ca = await TestCa.create(acme);
    await importInto(site, 'root', await pkcs12(site, ca, 'open sesame'), 'open sesame');
    expect(statesOf(site)).toMatchObject({ 'root-2': 'active' });
  });

  it('keeps certificates of before renewable, and gives tokens the new fingerprint', async () => {
    await using site = await openTestSite();
    const old = await enrolled(site);
    await using ca = await TestCa.create(acme);
    await importInto(site, 'root', bundleOf(ca));
    const [, fingerprint = ''] = (await site.token({ deviceId: 'child02' })).split('.');
    const root = site.signer.hierarchy.byId('root-2').certificate;
    expect(Buffer.from(fingerprint, 'base64url').toString('hex')).toBe(root.fingerprint);
    const { csr } = enrolmentOf('child01', '');
    const { deviceId } = old;
    const request = { fingerprint: old.fingerprint, deviceId, csr, channelBindings: () => [], remoteAddress: '::1' };
    expect((await site.signer.renewal.renew(request)).issuer).toBe('device-2');
  });

  it('that was renewed with its key after its end lets the signer issue again', async () => {
    await using site = await openTestSite();
    site.clock.advance(21 * 365 * day);
    await problemOf(site.signer.enrolment.enrol(enrolmentOf('child01', await site.token({ deviceId: 'child01' }))));
    const { publicKey, privateKey } = await site.signer.keys.open('root-1');
    const names = { commonName: 'Test Site Root G1', organization: 'Test Site' };
    const notBefore = new Date(site.clock.now().getTime() - 60_000);
    const notAfter = new Date(notBefore.getTime() + 20 * 365 * day * 1000);
    const renewed = issueRootCertificate({ publicKey, privateKey, ...names, notBefore, notAfter });
    const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await importInto(site, 'root', pemFromDer('CERTIFICATE', renewed) + keyPem);
    const { issuer } = await site.signer.enrolment.enrol(
      enrolmentOf('child01', await site.token({ deviceId: 'child01' })),
    );
    expect(issuer).toBe('device-2');
    expect(site.signer.hierarchy.rootFingerprint).toBe(parseCertificate(renewed).fingerprint);
  });

  it('that was renewed with its key gives tokens the fingerprint of the new certificate', async () => {
    await using site = await openTestSite();
    await using ca = await TestCa.create(acme);
    await importInto(site, 'root', bundleOf(ca));
    const privateKey = createPrivateKey(ca.certificate.keyPem);
    const [notBefore, notAfter] = [new Date('2026-01-01T00:00:00Z'), new Date('2050-01-01T00:00:00Z')];
    const keys = { privateKey, publicKey: createPublicKey(privateKey) };
    const renewed = issueRootCertificate({ ...keys, commonName: 'Acme Root', notBefore, notAfter });
    await importInto(site, 'root', pemFromDer('CERTIFICATE', renewed) + ca.certificate.keyPem);
    expect(site.signer.hierarchy.rootFingerprint).toBe(parseCertificate(renewed).fingerprint);
    expect(statesOf(site)).toMatchObject({ 'root-2': 'retiring', 'root-3': 'active', 'device-3': 'active' });
  });

  it('is written into the audit log', async () => {
    await using site = await openTestSite();
    await using ca = await TestCa.create(acme);
    await importInto(site, 'root', bundleOf(ca));
    const { rows: records } = await site.signer.audit.rows(0, 1000);
    const imported = records.find(({ action }) => action === 'authority-imported');
    expect(imported).toMatchObject({ actor: 'admin', subject: 'root-2' });
    expect(JSON.stringify(records)).not.toContain('PRIVATE');
  });
});

describe('import of an issuing CA', () => {
  it('lets it sign for its purpose and trusts the root above it', async () => {
    await using site = await openTestSite();
    await using root = await TestCa.create(acme);
    await using issuing = await root.intermediate({ ...acme, commonName: 'Acme Devices' });
    await importInto(site, 'device', bundleOf(issuing) + root.certPem);
    expect((await enrolled(site)).issuer).toBe('device-2');
    expect(statesOf(site)).toMatchObject({ 'device-1': 'retiring', 'root-2': 'active', 'service-1': 'active' });
    expect(site.signer.hierarchy.trustBundle.roots.map(({ subject }) => subject.text)).toContain('CN=Acme Root');
    await site.signer.crls.buildDue();
  });

  it('is replaced by another import, not by a rotation under a root it does not come from', async () => {
    await using site = await openTestSite();
    await using root = await TestCa.create(acme);
    await using issuing = await root.intermediate({ ...acme, commonName: 'Acme Devices' });
    await importInto(site, 'device', bundleOf(issuing) + root.certPem);
    const rotated = site.signer.rotation.rotate({ purpose: 'device', overlapSeconds: 0 }, 'admin');
    expect((await problemOf(rotated)).message).toBe(
      'The key of the root above CA "device-2" is held elsewhere. Get the next device CA signed there and import it: sallyport ca import.',
    );
  });
});

describe('an imported CA that was replaced', () => {
  it('is trusted until it ends, since it may have issued certificates before it came here', async () => {
    await using site = await openTestSite();
    await using root = await TestCa.create(acme);
    const notAfter = new Date(site.clock.now().getTime() + 400 * day * 1000);
    await using first = await root.intermediate({ commonName: 'Acme Devices 1', notAfter });
    await using second = await root.intermediate({ ...acme, commonName: 'Acme Devices 2' });
    for (const issuing of [first, second]) await importInto(site, 'device', bundleOf(issuing) + root.certPem);
    await site.signer.rotation.advance();
    const { retiring } = site.signer.hierarchy.trustBundle;
    expect(retiring.map(({ subject }) => subject.text)).toEqual(['CN=Acme Devices 1']);
    site.clock.advance(401 * day);
    await site.signer.rotation.advance();
    expect(statesOf(site)).toMatchObject({ 'device-2': 'retired', 'device-3': 'active' });
    expect(Object.keys(statesOf(site)).filter((id) => id.startsWith('root'))).toEqual(['root-1', 'root-2']);
  });
});

describe('a bundle that cannot be used', () => {
  const refused = async (purpose: AuthorityPurpose, bundle: string | Buffer, passphrase?: string) => {
    await using site = await openTestSite();
    const problem = await problemOf(importInto(site, purpose, bundle, passphrase));
    expect(statesOf(site)).toEqual({ 'device-1': 'active', 'root-1': 'active', 'service-1': 'active' });
    return [problem.type, problem.message];
  };

  it.each(['PKCS#8', 'PKCS#12'])('is refused when the password of the %s is wrong', async (form) => {
    await using site = await openTestSite();
    await using ca = await TestCa.create(acme);
    const bundle = form === 'PKCS#8' ? ca.certPem + (await encryptedKey(ca, 'right')) : await pkcs12(site, ca, 'right');
    const problem = await problemOf(importInto(site, 'root', bundle, 'wrong'));
    expect(problem.status).toBe(400);
    expect(problem.message).toMatch(/password|passphrase/i);
  });

  it('is refused without the private key', async () => {
    await using ca = await TestCa.create(acme);
    expect(await refused('root', ca.certPem)).toEqual([
      'certificate-rejected',
      'The CA bundle cannot be used. It holds no private key. Add the key of the CA, as PKCS#8 or inside a PKCS#12 file.',
    ]);
  });

  it('is refused when the key belongs to another certificate', async () => {
    await using ca = await TestCa.create(acme);
    await using other = await TestCa.create({ commonName: 'Other Root' });
    expect((await refused('root', ca.certPem + other.certificate.keyPem))[1]).toBe(
      'The CA bundle cannot be used. The private key belongs to none of its certificates.',
    );
  });

  it('is refused when it is a leaf', async () => {
    await using ca = await TestCa.create(acme);
    const leaf = await ca.issue({ commonName: 'child01' });
    expect((await refused('device', leaf.certPem + leaf.keyPem + ca.certPem))[1]).toBe(
      'The CA bundle cannot be used. "CN=child01" is not a CA certificate (basicConstraints CA:TRUE is missing).',
    );
  });

  it('is refused when the chain does not reach its root', async () => {
    await using root = await TestCa.create(acme);
    await using issuing = await root.intermediate({ ...acme, commonName: 'Acme Devices' });
    expect((await refused('device', bundleOf(issuing)))[1]).toBe(
      'The CA bundle cannot be used. The issuer of "CN=Acme Devices" is missing. Add the whole chain, up to the self-signed root.',
    );
  });

  it('is refused when it has expired', async () => {
    const notBefore = new Date('2020-01-01T00:00:00Z');
    const notAfter = new Date('2021-01-01T00:00:00Z');
    await using ca = await TestCa.create({ commonName: 'Old Root', notBefore, notAfter });
    expect((await refused('root', bundleOf(ca)))[1]).toBe(
      'The CA bundle cannot be used. "CN=Old Root" expired on 2021-01-01T00:00:00.000Z.',
    );
  });

  it('is refused when it ends too soon for the certificates it would issue', async () => {
    const notAfter = new Date(Date.now() + 44 * 86_400_000);
    await using ca = await TestCa.create({ ...acme, notAfter });
    const [, message] = await refused('root', bundleOf(ca));
    expect(message).toMatch(
      /^The CA bundle cannot be used. "CN=Acme Root" ends on \S+, too soon for what it would issue/,
    );
  });

  it.each([
    ['keyCertSign', 'critical,cRLSign', 'The key usage of "CN=Acme Root" lacks keyCertSign.'],
    ['cRLSign', 'critical,keyCertSign', 'The key usage of "CN=Acme Root" lacks cRLSign.'],
  ])('is refused when its key may not be used for %s', async (_case, keyUsage, reason) => {
    const extensions = ['basicConstraints=critical,CA:TRUE', `keyUsage=${keyUsage}`];
    await using ca = await TestCa.create({ ...acme, extensions });
    expect((await refused('root', bundleOf(ca)))[1]).toBe(`The CA bundle cannot be used. ${reason}`);
  });

  it('is refused when it holds a critical extension nobody here knows', async () => {
    const usual = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];
    await using ca = await TestCa.create({ ...acme, extensions: [...usual, '1.2.3.4=critical,DER:0500'] });
    expect((await refused('root', bundleOf(ca)))[1]).toBe(
      'The CA bundle cannot be used. "CN=Acme Root" has critical extensions we do not know: 1.2.3.4.',
    );
  });

  it('is refused before it is valid', async () => {
    await using ca = await TestCa.create({ ...acme, notBefore: new Date('2040-01-01T00:00:00Z') });
    expect((await refused('root', bundleOf(ca)))[1]).toBe(
      'The CA bundle cannot be used. "CN=Acme Root" is not valid before 2040-01-01T00:00:00.000Z. Import it then.',
    );
  });

  it.each(['root', 'device'] as const)('is refused as %s when its root permits no CA below it', async (purpose) => {
    const extensions = ['basicConstraints=critical,CA:TRUE,pathlen:0', 'keyUsage=critical,keyCertSign,cRLSign'];
    await using root = await TestCa.create({ ...acme, extensions });
    await using issuing = await root.intermediate({ ...acme, commonName: 'Acme Devices' });
    const bundle = purpose === 'root' ? bundleOf(root) : bundleOf(issuing) + root.certPem;
    expect((await refused(purpose, bundle))[1]).toBe(
      'The CA bundle cannot be used. The path length of "CN=Acme Root" is 0, and the number of CAs below it would be 1.',
    );
  });

  it('is refused when its name constraints forbid what services are called', async () => {
    const extensions = [
      'basicConstraints=critical,CA:TRUE',
      'keyUsage=critical,keyCertSign,cRLSign',
      'nameConstraints=critical,permitted;DNS:acme.example',
    ];
    await using root = await TestCa.create({ ...acme, extensions });
    expect((await refused('root', bundleOf(root)))[1]).toBe(
      'The CA bundle cannot be used. The name constraints of "CN=Acme Root" forbid the names of services, such as pki-signer.',
    );
  });

  it('issues only names that its name constraints permit', async () => {
    await using site = await openTestSite();
    await using root = await TestCa.create(acme);
    const extensions = [
      'basicConstraints=critical,CA:TRUE,pathlen:0',
      'keyUsage=critical,keyCertSign,cRLSign',
      'subjectKeyIdentifier=hash',
      'nameConstraints=critical,permitted;DNS:acme.example',
    ];
    await using issuing = await root.intermediate({ ...acme, commonName: 'Acme Devices', extensions });
    await importInto(site, 'device', bundleOf(issuing) + root.certPem);
    expect((await enrolled(site, 'pump.acme.example')).deviceId).toBe('pump.acme.example');
    await expect(enrolled(site, 'gateway')).rejects.toThrow(
      'The name constraints of the CA "CN=Acme Devices" forbid the name "gateway". Use a name they permit, or import a CA without name constraints.',
    );
  });

  it('is refused when its key is weak', async () => {
    await using ca = await TestCa.create({ ...acme, commonName: 'Weak Root', key: 'RSA 1024' });
    expect((await refused('root', bundleOf(ca)))[1]).toBe(
      'The CA bundle cannot be used. "CN=Weak Root" has an RSA key of 1024 bits; 2048 or more are needed.',
    );
  });

  it('is refused when it was signed with SHA-1', async () => {
    await using root = await TestCa.create(acme);
    await using issuing = await root.intermediate({ ...acme, commonName: 'Acme Devices', digest: 'sha1' });
    expect((await refused('device', bundleOf(issuing) + root.certPem))[1]).toBe(
      'The CA bundle cannot be used. "CN=Acme Devices" is signed with ecdsa-with-SHA1, which is broken.',
    );
  });

  it('is refused when it is imported twice', async () => {
    await using site = await openTestSite();
    await using ca = await TestCa.create(acme);
    await importInto(site, 'root', bundleOf(ca));
    expect((await problemOf(importInto(site, 'root', bundleOf(ca)))).message).toBe(
      'This CA is part of the hierarchy already.',
    );
  });
});

describe('export of a CA', () => {
  it('gives its certificate and those above it', async () => {
    await using site = await openTestSite();
    const { certificates, pkcs12: file } = await exportAuthority(site.signer, { id: 'device-1' }, 'admin');
    expect(certificates.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    expect(file).toBeUndefined();
  });

  it('gives the key only inside an encrypted PKCS#12 file, which openssl opens, and writes it down', async () => {
    await using site = await openTestSite();
    const passphrase = 'correct horse battery';
    const { pkcs12: file = '' } = await exportAuthority(site.signer, { id: 'device-1', passphrase }, 'admin');
    const der = Buffer.from(file, 'base64');
    const text = await mustRun('openssl', ['pkcs12', '-passin', `pass:${passphrase}`, '-nodes', '-info'], {
      input: der,
    });
    expect(text).toContain('subject=O = Test Site, CN = Test Site Device Issuing G1');
    const { privateKey } = await site.signer.keys.open('device-1');
    expect(importBundle(der, passphrase).privateKey?.equals(privateKey)).toBe(true);
    const { rows: records } = await site.signer.audit.rows(0, 1000);
    expect(records.at(-1)).toMatchObject({ action: 'authority-exported', actor: 'admin', subject: 'device-1' });
  });

  it('that fails is not written down as done', async () => {
    await using site = await openTestSite();
    const passphrase = 'žluťoučký kůň';
    const problem = await problemOf(exportAuthority(site.signer, { id: 'device-1', passphrase }, 'admin'));
    expect(problem.type).toBe('invalid-request');
    const { rows: records } = await site.signer.audit.rows(0, 1000);
    expect(records.map(({ action }) => action)).not.toContain('authority-exported');
  });

  it('of a CA that is not there says so', async () => {
    await using site = await openTestSite();
    expect((await problemOf(exportAuthority(site.signer, { id: 'device-9' }, 'admin'))).type).toBe('not-found');
  });
});
