import { readdir, readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import {
  type AuditRow,
  auditPage,
  auditVerdict,
  type CertificateDescription,
  certificateList,
  deviceDescription,
  enrolmentTokenResponse,
} from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from './device.js';
import { System, succeeded } from './system.js';

interface Credentials {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

async function credentialsOf({ caPath, certPath, keyPath }: Device): Promise<Credentials> {
  const [ca = '', cert = '', key = ''] = await Promise.all(
    [caPath, certPath, keyPath].map((path) => readFile(path, 'utf8')),
  );
  return { ca, cert, key };
}

/** Sends one request on a new connection. Returns its status, or `cut` when no answer came. */
function answerTo(
  url: string,
  options: Partial<Credentials> & { method: string; headers?: Record<string, string>; body: Buffer },
): Promise<number | 'cut'> {
  const { body, ...rest } = options;
  return new Promise((resolve) => {
    const outgoing = request(url, { ...rest, agent: new Agent({ keepAlive: false }) });
    outgoing.once('response', (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 'cut'));
    });
    for (const event of ['error', 'close']) outgoing.once(event, () => resolve('cut'));
    outgoing.end(body);
  });
}

describe('a site killed in the middle of 100 uploads', () => {
  let system: System;
  let credentials: Credentials;

  beforeAll(async () => {
    system = await System.start();
    credentials = await credentialsOf(await system.enrol('child01'));
    succeeded(await system.sallyport('secure', 'mutual'));
  });

  afterAll(() => system.stop());

  const names = Array.from({ length: 100 }, (_, index) => `f${index}`);
  const former = Buffer.from('former content');
  // Sizes from one kilobyte, which is written at once, to 1.5 megabytes, which are not.
  const contentOf = (index: number) => Buffer.alloc((index % 4) * 512 * 1024 + 1_000, `new content ${index} `);
  const put = (name: string, body: Buffer) =>
    answerTo(`https://${system.fileUrl}/${name}`, { ...credentials, method: 'PUT', body });

  it('has the former or the new content of each file, whole, and nothing else', async () => {
    expect(new Set(await Promise.all(names.map((name) => put(name, former))))).toEqual(new Set([201]));
    const uploads = names.map((name, index) => put(name, contentOf(index)));
    // Now some uploads are complete, and some are still being written to the disk.
    await Promise.race(uploads);
    const isWriting = async () => (await readdir(system.filesDirectory)).some((name) => name.startsWith('.'));
    await waitFor(isWriting, { what: 'an upload under way' });
    await system.kill();
    const answers = await Promise.all(uploads);
    expect(answers).toContain('cut');

    await system.resume();
    expect((await readdir(system.filesDirectory)).sort()).toEqual([...names].sort());
    const contents = await Promise.all(names.map((name) => readFile(join(system.filesDirectory, name))));
    const isNew = contents.map((content, index) => content.equals(contentOf(index)));
    expect(contents.filter((content, index) => !isNew[index] && !content.equals(former))).toEqual([]);
    // If a client got the answer that its file is stored, the file is there.
    expect(answers.filter((answer, index) => answer !== 'cut' && !isNew[index])).toEqual([]);
  });
});

describe('a site killed again and again while devices enrol', () => {
  let system: System;
  let ca: string;

  beforeAll(async () => {
    system = await System.start();
    succeeded(await system.sallyport('ca', 'export', '--output', 'root.pem'));
    ca = await readFile(join(system.directory, 'root.pem'), 'utf8');
  });

  afterAll(() => system.stop());

  const mostMs = 12_000;
  const workers = 4;

  interface Applicant {
    readonly name: string;
    readonly token: string;
    readonly csr: Buffer;
  }

  async function applicant(name: string): Promise<Applicant> {
    const { token } = await system
      .admin('pki-signer')
      .post('/v1/enrollments', { deviceId: name }, enrolmentTokenResponse);
    const args = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '/dev/null'];
    const csr = succeeded(await system.run('openssl', ['req', '-new', ...args, '-subj', `/CN=${name}`]));
    return { name, token, csr: Buffer.from(csr) };
  }

  function enrol({ name, token, csr }: Applicant): Promise<number | 'cut'> {
    const authorization = `Basic ${Buffer.from(`${name}:${token}`).toString('base64')}`;
    const headers = { authorization, 'content-type': 'application/pkcs10' };
    return answerTo(`${system.estUrl}/.well-known/est/simpleenroll`, { ca, method: 'POST', headers, body: csr });
  }

  async function certificates(): Promise<CertificateDescription[]> {
    const all: CertificateDescription[] = [];
    for (let cursor: string | undefined; ; ) {
      const query = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page = await system.admin('pki-signer').get(`/v1/certificates?limit=1000${query}`, certificateList);
      all.push(...page.certificates);
      if (page.cursor === undefined) return all;
      cursor = page.cursor;
    }
  }

  async function auditRows(): Promise<AuditRow[]> {
    const all: AuditRow[] = [];
    for (let after: number | undefined = 0; after !== undefined; ) {
      const page: { rows: AuditRow[]; after?: number | undefined } = await system
        .admin('pki-signer')
        .get(`/v1/audit?after=${after}&limit=1000`, auditPage);
      all.push(...page.rows);
      after = page.after;
    }
    return all;
  }

  const applicants: Applicant[] = [];

  /**
   * Enrols the applicants, a few at a time, and kills the system at the given answer. The other requests can then be in
   * any state: not sent, in progress, or complete with a lost answer.
   *
   * @returns the applicants without an answer
   */
  async function enrolUntilKilled(waiting: readonly Applicant[], killAt: number): Promise<Applicant[]> {
    const queue = [...waiting];
    const unanswered: Applicant[] = [];
    let answers = 0;
    const work = async (): Promise<void> => {
      while (answers < killAt) {
        const next = queue.shift();
        if (next === undefined) return;
        const answer = await enrol(next);
        if (answer === 'cut') unanswered.push(next);
        else expect(answer).toBe(200);
        answers += 1;
        if (answers === killAt) await system.kill();
      }
    };
    await Promise.all(Array.from({ length: workers }, work));
    return unanswered;
  }

  it('burns no token without a certificate: whoever got no answer asks again and gets one', async () => {
    const endsAt = performance.now() + mostMs;
    let cut = 0;
    for (let round = 0; performance.now() < endsAt; round += 1) {
      const killAt = 1 + (round % 6);
      const names = Array.from({ length: killAt + workers - 1 }, (_, index) => `child-${round}-${index}`);
      const waiting = await Promise.all(names.map(applicant));
      applicants.push(...waiting);
      const unanswered = await enrolUntilKilled(waiting, killAt);
      cut += unanswered.length;
      await system.resume();
      for (const applicant of unanswered) expect(await enrol(applicant)).toBe(200);
    }
    expect(cut).toBeGreaterThan(0);
  });

  it('issues one certificate for each token', async () => {
    const devices = (await certificates())
      .filter(({ profile }) => profile === 'device')
      .map(({ deviceId }) => deviceId);
    expect(devices.sort()).toEqual(applicants.map(({ name }) => name).sort());
  });

  it('gives no serial number twice', async () => {
    const serials = (await certificates()).map(({ serialNumber }) => serialNumber);
    expect(new Set(serials).size).toBe(serials.length);
  });

  it('has written down each certificate in the audit log, before and after it was signed', async () => {
    const rows = await auditRows();
    const fingerprints = (await certificates()).map(({ fingerprint }) => fingerprint).sort();
    const issued = rows.filter(({ action }) => action === 'certificate-issued');
    expect(issued.map(({ details: { fingerprint } }) => fingerprint).sort()).toEqual(fingerprints);
    for (const { sequence, subject } of issued)
      expect(
        rows.some((row) => row.action === 'certificate-intended' && row.subject === subject && row.sequence < sequence),
      ).toBe(true);
  });

  it.each(['pki-signer', 'device-registry'] as const)('has an audit log of the %s that verifies', async (service) => {
    expect(await system.admin(service).get('/v1/audit/verify', auditVerdict)).toMatchObject({ intact: true });
  });

  it('has told the registry of every certificate', async () => {
    for (const { deviceId, fingerprint } of await certificates())
      await waitFor(
        async () => {
          const device = await system.admin('device-registry').get(`/v1/devices/${deviceId}`, deviceDescription);
          return device.certificates.some((certificate) => certificate.fingerprint === fingerprint);
        },
        { what: `the certificate of ${deviceId} in the registry` },
      );
  });
});
