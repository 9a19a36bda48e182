import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hierarchyDescription } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from './device.js';
import { System, succeeded } from './system.js';

// The tests run in order, always at level mutual, and without a restart.
describe('a site whose issuing CAs are replaced', () => {
  let system: System;
  let older: Device;
  let newer: Device;

  beforeAll(async () => {
    system = await System.start();
    older = await system.enrol('child01');
    succeeded(await system.sallyport('ca', 'export', '--output', 'root.pem'));
    await writeFile(join(system.directory, 'foo.txt'), 'Hello thin-edge.io\n');
    await system.run('curl', ['-sS', '-T', 'foo.txt', `http://${system.fileUrl}/foo.txt`]);
    succeeded(await system.sallyport('secure', 'mutual'));
  });

  afterAll(() => system.stop());

  const openssl = async (...args: string[]) => succeeded(await system.run('openssl', args));
  const issuerOf = async (certPath: string) =>
    (await openssl('x509', '-in', certPath, '-noout', '-issuer', '-nameopt', 'RFC2253')).trim();
  const read = async (...identity: string[]) =>
    succeeded(await system.run('curl', [...identity, `https://${system.fileUrl}/foo.txt`]));

  /** The chain that a listener shows to this device, and whether the ca.pem of the device verifies it. */
  async function serverSeenBy({ caPath, certPath, keyPath }: Device): Promise<string> {
    const identity = ['-CAfile', caPath, '-cert', certPath, '-key', keyPath];
    const connect = ['-connect', `localhost:${system.ports.http}`, '-verify_hostname', 'localhost', '-brief'];
    const { stderr } = await system.run('sh', [
      '-c',
      'exec openssl s_client "$@" </dev/null',
      'sh',
      ...identity,
      ...connect,
    ]);
    return stderr;
  }

  it('starts with certificates of the first device CA', async () => {
    expect(await issuerOf(older.certPath)).toBe('issuer=CN=Sallyport Device Issuing G1,O=Sallyport');
  });

  it('has a second device CA after "ca rotate", and the first one retires', async () => {
    const shown = succeeded(await system.sallyport('ca', 'rotate'));
    expect(shown).toMatch(/^device-1 +device +retiring /m);
    expect(shown).toMatch(/^device-2 +device +active /m);
  });

  it('still admits the certificates of the first', async () => {
    expect(await read(...older.curl)).toBe('Hello thin-edge.io\n');
  });

  it('enrols new devices with the second, and admits them', async () => {
    newer = await system.enrol('child02');
    expect(await issuerOf(newer.certPath)).toBe('issuer=CN=Sallyport Device Issuing G2,O=Sallyport');
    expect(await read(...newer.curl)).toBe('Hello thin-edge.io\n');
  });

  it('admits a new device that shows its leaf alone, since every listener has learnt the second CA', async () => {
    await openssl('x509', '-in', newer.certPath, '-out', 'leaf.pem');
    const identity = ['--cert', 'leaf.pem', '--key', newer.keyPath];
    expect(await read('-sS', '--cacert', newer.caPath, ...identity)).toBe('Hello thin-edge.io\n');
  });

  it('moves a device to the second with "cert renew"', async () => {
    succeeded(await system.sallyport('--config-dir', older.directory, 'cert', 'renew', '--url', system.estUrl));
    expect(await issuerOf(older.certPath)).toBe('issuer=CN=Sallyport Device Issuing G2,O=Sallyport');
    expect(await read(...older.curl)).toBe('Hello thin-edge.io\n');
  });

  it('shows server certificates of a second service CA, which the ca.pem of every device verifies', async () => {
    const caBefore = await readFile(older.caPath, 'utf8');
    expect(succeeded(await system.sallyport('ca', 'rotate', '--purpose', 'service'))).toMatch(/^service-2 .* active /m);
    expect(await serverSeenBy(older)).toContain('Verification: OK');
    succeeded(await system.sallyport('secure', 'plain'));
    succeeded(await system.sallyport('secure', 'mutual'));
    expect(await serverSeenBy(older)).toContain('Verification: OK');
    const shown = succeeded(await system.sallyport('config', 'get', 'http.cert_path')).trim();
    expect(await issuerOf(shown)).toBe('issuer=CN=Sallyport Service Issuing G2,O=Sallyport');
    expect(await readFile(older.caPath, 'utf8')).toBe(caBefore);
  });

  it('publishes a CRL of each CA over plain HTTP, and openssl verifies it', async () => {
    const { authorities } = await system.admin('pki-signer').get('/v1/ca', hierarchyDescription);
    const issuing = authorities.filter(({ purpose }) => purpose !== 'root');
    expect(issuing.map(({ id }) => id).sort()).toEqual(['device-1', 'device-2', 'service-1', 'service-2']);
    for (const { id, keyId } of issuing) {
      succeeded(await system.sallyport('ca', 'export', id, '--output', `${id}.pem`));
      const crl = `http://localhost:${system.ports.pkiPublic}/crl/${keyId}.crl`;
      succeeded(await system.run('curl', ['-sS', '--fail', '--output', `${id}.crl`, crl]));
      const verified = await system.run('openssl', [
        'crl',
        '-inform',
        'DER',
        '-in',
        `${id}.crl`,
        '-noout',
        '-CAfile',
        `${id}.pem`,
      ]);
      expect(verified).toMatchObject({ code: 0, stderr: 'verify OK\n' });
    }
  });

  it('lists a revoked device in the CRL its certificate names, and openssl refuses it', async () => {
    succeeded(await system.sallyport('device', 'revoke', 'child02'));
    const points = await openssl('x509', '-in', newer.certPath, '-noout', '-ext', 'crlDistributionPoints');
    const [crl = ''] = /http:\S+/.exec(points) ?? [];
    const check = ['verify', '-crl_check', '-CAfile', 'root.pem', '-CRLfile', 'now.crl'];
    const verdict = async (device: Device) => {
      succeeded(await system.run('curl', ['-sS', '--fail', '--output', 'now.crl', crl]));
      const chain = ['-untrusted', device.certPath, device.certPath];
      const { stdout, stderr } = await system.run('openssl', [...check, ...chain]);
      return stdout + stderr;
    };
    await waitFor(async () => (await verdict(newer)).includes('certificate revoked'));
    expect(await verdict(older)).toContain(': OK');
  });

  describe('and then its root', () => {
    let away: Device;
    const rootsIn = async (path: string) => [...(await readFile(path, 'utf8')).matchAll(/BEGIN CERTIFICATE/g)].length;
    const renew = (device: Device) =>
      system.sallyport('--config-dir', device.directory, 'cert', 'renew', '--url', system.estUrl);

    it('tells who has not followed yet', async () => {
      away = await system.enrol('child03');
      const shown = succeeded(await system.sallyport('ca', 'rotate', '--purpose', 'root', '--overlap', '0s'));
      expect(shown).toMatch(/^root-1 +root +retiring /m);
      expect(shown).toMatch(/^root-2 +root +active /m);
      expect(shown).toMatch(/^device-3 +device +active /m);
      expect(shown).toMatch(/Not followed yet:\n( {2}\S+\n)*? {2}child01\n/);
      expect(shown).toContain('  child03\n');
    });

    it('admits certificates from before, and gives the new root to whoever renews', async () => {
      expect(await read(...older.curl)).toBe('Hello thin-edge.io\n');
      succeeded(await renew(older));
      expect(await issuerOf(older.certPath)).toBe('issuer=CN=Sallyport Device Issuing G3,O=Sallyport');
      expect(await rootsIn(older.caPath)).toBe(2);
      expect(await read(...older.curl)).toBe('Hello thin-edge.io\n');
      const shown = succeeded(await system.sallyport('ca', 'show'));
      expect(shown).not.toContain('  child01\n');
      expect(shown).toContain('  child03\n');
    });

    it('gives it to the services without a renewal', async () => {
      const shown = succeeded(await system.sallyport('config', 'get', 'http.cert_path')).trim();
      await waitFor(async () => (await rootsIn(join(dirname(shown), 'ca.pem'))) === 2);
    });

    it('is believed at every entrance by a device that was away and knows only the old root', async () => {
      // The services get certificates below the new root.
      succeeded(await system.sallyport('secure', 'plain'));
      succeeded(await system.sallyport('secure', 'mutual'));
      expect(await rootsIn(away.caPath)).toBe(1);
      expect(await serverSeenBy(away)).toContain('Verification: OK');
      const broker = ['-h', 'localhost', '-p', String(system.ports.mqtt), '-t', 'te/device/child03///m/x', '-m', '1'];
      const identity = ['--cafile', away.caPath, '--cert', away.certPath, '--key', away.keyPath];
      succeeded(await system.run('mosquitto_pub', [...broker, ...identity]));
      succeeded(await renew(away));
      expect(await rootsIn(away.caPath)).toBe(2);
      expect(await read(...away.curl)).toBe('Hello thin-edge.io\n');
      const { stdout } = await system.sallyport('doctor');
      for (const check of [
        'trusted CAs of the listeners',
        'certificate chains of the listeners',
        'CAs and revocation lists',
      ])
        expect(stdout).toMatch(new RegExp(`^ok +${check}$`, 'm'));
    });

    it('believes nothing more that a stolen root vouched for, and works again as the page says', async () => {
      const shown = succeeded(await system.sallyport('ca', 'rotate', '--purpose', 'root', '--at-once'));
      expect(shown).toMatch(/^root-2 +root +retired /m);
      expect(shown).toMatch(/^root-3 +root +active /m);
      succeeded(await system.sallyport('secure', 'mutual'));
      const refused = await system.run('curl', ['--fail', ...away.curl, `https://${system.fileUrl}/foo.txt`]);
      expect(refused.code).not.toBe(0);
      const fresh = await system.enrol('child04');
      expect(await read(...fresh.curl)).toBe('Hello thin-edge.io\n');
    });
  });
});
