import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startDaemon } from './daemon.js';
import { mustRun, runProgram } from './run-program.js';
import { spawnMosquitto, spawnNginx, spawnRedis } from './servers.js';
import { TestCa } from './test-ca.js';
import { waitFor } from './wait-for.js';

describe('servers for tests', () => {
  it('runs a Redis server that answers', async () => {
    await using redis = await spawnRedis();
    const pong = await new Promise((resolve) => {
      const socket = connect(redis.port, '127.0.0.1', () => socket.write('PING\r\n'));
      socket.once('data', (reply) => {
        socket.destroy();
        resolve(String(reply));
      });
    });
    expect(pong).toBe('+PONG\r\n');
  });

  it('runs a Mosquitto broker', async () => {
    await using mosquitto = await spawnMosquitto();
    const args = ['-p', String(mosquitto.port), '-q', '1', '-t', 'a/b', '-m', 'x'];
    expect((await runProgram('mosquitto_pub', args)).exitCode).toBe(0);
  });

  it('runs a Mosquitto broker that asks for client certificates', async () => {
    await using ca = await TestCa.create();
    const { certPath, keyPath } = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
    const tls = { certPath, keyPath, caPath: ca.certPath };
    await using mosquitto = await spawnMosquitto({ tls, requireCertificate: true });
    const common = ['-h', 'localhost', '-p', String(mosquitto.port), '--cafile', ca.certPath, '-t', 'a', '-m', 'x'];
    expect((await runProgram('mosquitto_pub', common)).exitCode).not.toBe(0);
    const withCertificate = [...common, '--cert', certPath, '--key', keyPath];
    expect((await runProgram('mosquitto_pub', withCertificate)).exitCode).toBe(0);
  });

  it('runs nginx with a directory to serve and WebDAV to write it', async () => {
    await using nginx = await spawnNginx(
      'server { listen 127.0.0.1:$port; root $root; location / { dav_methods PUT DELETE; } }',
    );
    await writeFile(join(nginx.root, 'hello.txt'), 'Hello');
    expect(await mustRun('curl', ['-sS', `http://127.0.0.1:${nginx.port}/hello.txt`])).toBe('Hello');
    await mustRun('curl', ['-sSf', '-X', 'PUT', '--data', 'new', `http://127.0.0.1:${nginx.port}/put.txt`]);
    expect(existsSync(join(nginx.root, 'put.txt'))).toBe(true);
  });

  it('says what a server wrote when it does not start', async () => {
    await expect(spawnMosquitto({ config: ['no_such_option 1'] })).rejects.toThrow('no_such_option');
  });

  it('names the Debian package of a program that is missing', async () => {
    const start = startDaemon({ program: 'no-such-daemon', args: () => [] });
    await expect(start).rejects.toThrow(
      '"no-such-daemon" is not installed. Install the Debian package "no-such-daemon": apt-get install no-such-daemon',
    );
  });

  it('leaves no process behind', async () => {
    const redis = await spawnRedis();
    await redis.stop();
    expect(() => process.kill(redis.pid, 0)).toThrow('ESRCH');
  });
});

describe('waiting', () => {
  it('returns what the condition gave', async () => {
    let asked = 0;
    expect(await waitFor(() => ++asked === 3 && 'third')).toBe('third');
  });

  it('fails with what was waited for and what went wrong last', async () => {
    const wait = waitFor(
      () => {
        throw new Error('not there');
      },
      { what: 'the file', deadlineMs: 30 },
    );
    await expect(wait).rejects.toMatchObject({
      message: 'the file did not come true within 30 ms',
      cause: { message: 'not there' },
    });
  });
});
