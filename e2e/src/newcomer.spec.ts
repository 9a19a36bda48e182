import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { System } from './system.js';

// The tests run in order. Each one is the next step of a new user.
describe('a newcomer enrols a child device and moves a file over mutual TLS', () => {
  let system: System;
  let child: string;
  let token = '';

  beforeAll(async () => {
    system = await System.start();
    child = join(system.directory, 'child');
    await writeFile(join(system.directory, 'foo.txt'), 'Hello thin-edge.io\n');
  });

  afterAll(() => system.stop());

  const asChild = () => [
    ...['--silent', '--show-error', '--cacert', join(child, 'device-certs/ca.pem')],
    ...['--cert', join(child, 'device-certs/tedge-certificate.pem')],
    ...['--key', join(child, 'device-certs/tedge-private-key.pem')],
  ];
  const status = ['--output', '/dev/null', '--write-out', '%{http_code}'];

  it('is told the addresses, their levels, the CA fingerprint and the next command', () => {
    expect(system.log).toContain(`http://localhost:${system.ports.http}/tedge/file-transfer/`);
    expect(system.log).toMatch(/CA fingerprint \(SHA-256\) {2}[0-9a-f]{64}/);
    expect(system.log).toContain('npx sallyport device enroll-token child01');
  });

  it('moves a file over plain HTTP before anything is secured', async () => {
    const put = await system.run('curl', [
      '-sS',
      ...status,
      '-X',
      'PUT',
      '-F',
      'file=@foo.txt',
      `http://${system.fileUrl}/plain.txt`,
    ]);
    expect(put.stdout).toBe('201');
    const get = await system.run('curl', ['-sS', `http://${system.fileUrl}/plain.txt`]);
    expect(get.stdout).toBe('Hello thin-edge.io\n');
  });

  it('gets one token on standard output', async () => {
    const { code, stdout, stderr } = await system.sallyport('device', 'enroll-token', 'child01');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^[0-9A-HJKMNP-TV-Z]{24}\.[\w-]{43}\n$/);
    token = stdout.trim();
  });

  it('enrols the child with the token', async () => {
    await mkdir(child);
    const url = `https://localhost:${system.ports.pki}`;
    const args = ['--config-dir', child, '--device-id', 'child01', '--one-time-password', token, '--url', url];
    const { code, stderr } = await system.sallyport('cert', 'download', ...args);
    const done = 'Certificate downloaded successfully\n    => the device can now be connected\n\n';
    expect({ code, stderr }).toEqual({ code: 0, stderr: done });
    const key = await stat(join(child, 'device-certs/tedge-private-key.pem'));
    expect(key.mode & 0o777).toBe(0o400);
    const chain = await readFile(join(child, 'device-certs/tedge-certificate.pem'), 'utf8');
    expect(chain.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
  });

  it('cannot use the token twice', async () => {
    const url = `https://localhost:${system.ports.pki}`;
    const thief = join(system.directory, 'thief');
    await mkdir(thief);
    const args = ['--config-dir', thief, '--device-id', 'child01', '--one-time-password', token, '--url', url];
    const { code, stderr } = await system.sallyport(
      'cert',
      'download',
      '--max-timeout',
      '1s',
      '--retry-every',
      '1s',
      ...args,
    );
    expect(code).toBe(1);
    expect(stderr).not.toContain(token);
  });

  it('switches every listener to mutual TLS', async () => {
    const { code, stderr } = await system.sallyport('secure', 'mutual');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it('moves a file as the child over mutual TLS', async () => {
    const put = await system.run('curl', [
      ...asChild(),
      ...status,
      '-X',
      'PUT',
      '-F',
      'file=@foo.txt',
      `https://${system.fileUrl}/foo.txt`,
    ]);
    expect(put).toEqual({ code: 0, stdout: '201', stderr: '' });
    const get = await system.run('curl', [...asChild(), `https://${system.fileUrl}/foo.txt`]);
    expect(get).toEqual({ code: 0, stdout: 'Hello thin-edge.io\n', stderr: '' });
  });

  it('is refused without a certificate', async () => {
    const ca = join(child, 'device-certs/ca.pem');
    const { code } = await system.run('curl', ['-sS', '--cacert', ca, `https://${system.fileUrl}/foo.txt`]);
    expect(code).toBe(56);
  });

  it('finds everything green', async () => {
    const { code, stdout } = await system.sallyport('doctor');
    expect({ code, stdout }).toMatchObject({ code: 0 });
  });

  it('revokes the child: its open download ends within a second, and the next connection is refused with the reason', async () => {
    // A sparse file: it takes many seconds to send, but no space on the disk.
    await system.run('truncate', ['-s', '16G', join(system.configDirectory, 'data/file-transfer/huge.bin')]);
    const download = system.run('curl', [...asChild(), '-o', '/dev/null', `https://${system.fileUrl}/huge.bin`]);
    await sessionOf(system);
    const { code } = await system.sallyport('device', 'revoke', 'child01');
    const revokedAt = Date.now();
    expect(code).toBe(0);
    expect((await download).code).not.toBe(0);
    expect(Date.now() - revokedAt).toBeLessThan(1_000);
    const next = await system.run('curl', [...asChild(), `https://${system.fileUrl}/foo.txt`]);
    expect(JSON.parse(next.stdout)).toMatchObject({ status: 403, reason: 'device-revoked' });
    expect(system.log).toContain('device-revoked');
    const shown = await system.sallyport('device', 'show', 'child01');
    expect(shown.stdout).toContain('device-revoked');
  });

  it('goes back to plain', async () => {
    const { code } = await system.sallyport('secure', 'plain');
    expect(code).toBe(0);
    const get = await system.run('curl', ['-sS', `http://${system.fileUrl}/foo.txt`]);
    expect(get.stdout).toBe('Hello thin-edge.io\n');
  });
});

/** Waits until an entrance has a session. */
async function sessionOf(system: System): Promise<void> {
  for (;;) {
    const { stdout } = await system.sallyport('status', '--json');
    if (/"sessions": ?1/.test(stdout)) return;
  }
}
