import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { description, summary } from '../fixtures/device-answers.fixture.js';
import { type FakeSite, fakeSite } from '../fixtures/fake-site.fixture.js';

const routes = (site: FakeSite) => site.admin['device-registry'].routes;
const seen = (site: FakeSite) => site.admin['device-registry'].seen;

describe('device list', () => {
  it('asks for devices by name, tags, CA and time', async () => {
    await using site = await fakeSite();
    routes(site).set('GET /v1/devices', () => ({ devices: [summary] }));
    const filter = ['--search', '17', '--tag', 'site=north', '--tag', 'roof', '--ca', 'site', '--seen-within', '1h'];
    await site.run(['device', 'list', ...filter]);
    expect(seen(site)[0]?.route).toMatch(
      /^GET \/v1\/devices\?limit=1000&search=17&tag=site%3Dnorth&tag=roof&authority=site&seenSince=\d{4}-.*Z$/,
    );
  });
});

describe('device tag', () => {
  it('sets and removes tags, and prints what the device has then', async () => {
    await using site = await fakeSite();
    routes(site).set('POST /v1/devices/:id/tags', () => ({ ...description, tags: { site: ['north', 'roof'] } }));
    const { stdout } = await site.run(['device', 'tag', 'child01', 'site=north', 'site=roof', '--remove', 'owner']);
    expect(stdout).toBe('site=north\nsite=roof\n');
    expect(seen(site)[0]?.body).toEqual({ set: { site: ['north', 'roof'] }, remove: ['owner'] });
  });

  it.each(['north', '=north'])('says that %s is no tag', async (text) => {
    await using site = await fakeSite();
    const { exitCode, stderr } = await site.run(['device', 'tag', 'child01', text]);
    expect(exitCode).toBe(2);
    expect(stderr).toBe(`Error: "${text}" is no tag.\nWrite it as NAME=VALUE.\n`);
  });
});

describe('device delete and release', () => {
  it('delete for a reason, and say how the device may come back', async () => {
    await using site = await fakeSite();
    routes(site).set('DELETE /v1/devices/:id', () => undefined);
    routes(site).set('DELETE /v1/tombstones/:id', () => undefined);
    const { stdout } = await site.run(['device', 'delete', 'child01', '--reason', 'scrapped']);
    expect(stdout).toContain('Device child01 is deleted.');
    expect(stdout).toContain('sallyport device release child01');
    await site.run(['device', 'release', 'child01']);
    expect(seen(site).map(({ route }) => route)).toEqual([
      'DELETE /v1/devices/child01?reason=scrapped',
      'DELETE /v1/tombstones/child01',
    ]);
  });
});

describe('device allow and deny', () => {
  it('put names on the lists, and certificates by their fingerprint', async () => {
    await using site = await fakeSite();
    routes(site).set('POST /v1/allowed', () => ({ changed: 2 }));
    routes(site).set('POST /v1/denied', () => ({ changed: 2 }));
    await site.run(['device', 'allow', 'a', 'b', '--for', '48h', '--tag', 'site=north']);
    await site.run(['device', 'deny', 'c', 'ab'.repeat(32), '--reason', 'lost']);
    expect(seen(site).map(({ body }) => body)).toEqual([
      { devices: ['a', 'b'], hours: 48, tags: { site: ['north'] } },
      { devices: ['c'], fingerprints: ['ab'.repeat(32)], reason: 'lost' },
    ]);
  });

  it('show who has not come in time', async () => {
    await using site = await fakeSite();
    const entry = { at: '2026-06-01T12:00:00Z', actor: 'local-admin' };
    routes(site).set('GET /v1/allowed', () => ({
      devices: [
        { deviceId: 'pump-1', state: 'expired', until: '2026-06-01T14:00:00Z', ...entry },
        { deviceId: 'pump-2', state: 'expected', ...entry },
      ],
    }));
    const { stdout } = await site.run(['device', 'allow']);
    expect(stdout.split('\n').map((line) => line.trim().split(/ +/))).toMatchObject([
      ['DEVICE', 'STATE', 'UNTIL', 'CONNECTOR', 'CERTIFICATE', 'BY'],
      ['pump-1', 'expired', '2026-06-01T14:00:00Z', 'any', 'any', 'local-admin'],
      ['pump-2', 'expected', '-', 'any', 'any', 'local-admin'],
      [''],
    ]);
  });

  it('take names off again', async () => {
    await using site = await fakeSite();
    routes(site).set('DELETE /v1/denied/:id', () => undefined);
    const { stdout } = await site.run(['device', 'deny', '--remove', 'c']);
    expect(stdout).toBe('1 taken off the deny list.\n');
  });

  it('refuse what is no name before they ask', async () => {
    await using site = await fakeSite();
    const { exitCode } = await site.run(['device', 'allow', 'a/b']);
    expect({ isRefused: exitCode > 0, asked: seen(site) }).toEqual({ isRefused: true, asked: [] });
  });
});

describe('device import', () => {
  it('sends a large file in parts with the header, and cuts no quoted cell', async () => {
    await using site = await fakeSite();
    routes(site).set('POST /v1/devices-import', () => ({
      allowed: 1,
      unchanged: 0,
      faults: [{ row: 2, id: 'x', fault: 'bad' }],
    }));
    const rows = Array.from({ length: 250 }, (_, index) => `pump-${index},"-----BEGIN\n""${index}""\n"\n`);
    await writeFile(join(site.directory, 'fleet.csv'), `ID, SSL Client Certificate\n${rows.join('')}`);
    const { exitCode, stdout, stderr } = await site.run(['device', 'import', join(site.directory, 'fleet.csv')]);
    expect(seen(site)).toHaveLength(2);
    expect(seen(site)[1]?.body).toMatchObject({
      csv: expect.stringMatching(/^ID, SSL Client Certificate\npump-200,"-----BEGIN\n""200""\n"\n/),
      mode: 'import',
    });
    expect(stdout).toContain('Row 202 ("x"): bad\n2 devices may come in now');
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('2 rows were left out.')]);
  });
});

describe('device export', () => {
  it('writes one file of all parts', async () => {
    await using site = await fakeSite();
    const parts = [{ csv: 'ID\r\na\r\n', cursor: 'next' }, { csv: 'b\r\n' }];
    routes(site).set('GET /v1/devices-export', () => parts.shift());
    const file = join(site.directory, 'fleet.csv');
    await site.run(['device', 'export', '--output', file, '--state', 'active']);
    expect(await readFile(file, 'utf8')).toBe('ID\r\na\r\nb\r\n');
    expect(seen(site)[1]?.route).toBe('GET /v1/devices-export?state=active&cursor=next&limit=1000');
  });
});
