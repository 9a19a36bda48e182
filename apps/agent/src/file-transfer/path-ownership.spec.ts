import type { IncomingMessage } from 'node:http';
import { deviceId, peerKind } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { ServedFiles } from '../served-files.fixture.js';
import { ownPathOnly } from './path-ownership.js';

/** Replaces TLS: a header names the peer. */
function peerOf({ headers }: IncomingMessage) {
  const [kind, id] = String(headers['x-peer'] ?? '').split('/');
  return id === undefined ? undefined : { kind: peerKind.parse(kind), deviceId: deviceId.parse(id) };
}

const serveOwn = () => ServedFiles.start({ access: ownPathOnly(peerOf) });

describe('http.authorization own', () => {
  it('lets a device read, write and delete below its own id', async () => {
    await using files = await serveOwn();
    const peer = { 'x-peer': 'device/child01' };
    for (const path of ['child01/foo', 'child01/log_upload/syslog-1', 'x/../child01/foo', '%63hild01/foo']) {
      expect((await files.put(`/te/v1/files/${path}`, 'x', peer)).status).toBe(201);
      expect((await files.get(`/te/v1/files/${path}`, peer)).status).toBe(200);
      expect((await files.delete(`/te/v1/files/${path}`, peer)).status).toBe(202);
    }
  });

  it.each([
    'child02/foo',
    'foo',
    'child01',
    'child01/',
    'child01/../child02/foo',
    'CHILD01/foo',
    'child01x/foo',
    'child01%2F..%2Fchild02/foo',
    '.',
  ])('answers 403 to a device on %s, the same whether or not it exists', async (path) => {
    await using files = await serveOwn();
    await files.put('/te/v1/files/child02/foo', 'secret', { 'x-peer': 'service/mapper' });
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
      const reply = await files.request(method, `/tedge/file-transfer/${path}`, {
        headers: { 'x-peer': 'device/child01' },
      });
      expect([method, reply.status]).toEqual([method, 403]);
      if (method === 'GET')
        expect(reply.text).toBe(
          `${JSON.stringify(decodeURIComponent(path))} is not yours: child01 reads and writes below "child01/" only.`,
        );
    }
    expect((await files.get('/te/v1/files/child02/foo', { 'x-peer': 'service/mapper' })).text).toBe('secret');
  });

  it.each(['service/mapper', 'admin/alice'])('lets %s use every path', async (peer) => {
    await using files = await serveOwn();
    for (const path of ['child01/foo', 'foo', 'mapper/x']) {
      expect((await files.put(`/te/v1/files/${path}`, 'x', { 'x-peer': peer })).status).toBe(201);
      expect((await files.get(`/te/v1/files/${path}`, { 'x-peer': peer })).text).toBe('x');
    }
  });

  it('answers 403 to a peer without a certificate', async () => {
    await using files = await serveOwn();
    const reply = await files.get('/te/v1/files/child01/foo');
    expect([reply.status, reply.text]).toEqual([
      403,
      'File transfer needs a client certificate here (http.authorization is "own").',
    ]);
  });

  it('answers 404 to a path that leads out of the root, before it asks whose it is', async () => {
    await using files = await serveOwn();
    expect((await files.get('/te/v1/files/../child01/foo', { 'x-peer': 'device/child01' })).status).toBe(404);
  });
});

describe('http.authorization any', () => {
  it('lets every peer use every path', async () => {
    await using files = await ServedFiles.start();
    await files.put('/te/v1/files/child02/foo', 'x');
    expect((await files.get('/te/v1/files/child02/foo')).text).toBe('x');
  });
});
