import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { actorName, connectorRoutes, healthRoutes, Problem, registryRoutes, signerRoutes } from '@sallyport/protocol';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AdminClient, type AdminClientOptions } from './admin-client.js';
import type { AdminFault } from './admin-fault.js';

const devices = { devices: [] };

interface Seen {
  readonly line: string;
  readonly actor: string | string[] | undefined;
  readonly ifMatch?: string;
  readonly body: string;
}

/** A service that answers every request alike, and a client for it. */
async function service(answer: (response: ServerResponse) => unknown, options: Partial<AdminClientOptions> = {}) {
  const directory = temporaryDirectory('sp-');
  const socketPath = directory.file('admin.sock');
  const seen: Seen[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const { 'sallyport-actor': actor, 'if-match': ifMatch } = request.headers;
    seen.push({ line: `${request.method} ${request.url}`, actor, body, ...(ifMatch === undefined ? {} : { ifMatch }) });
    answer(response);
  }).listen(socketPath);
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await directory.remove();
  });
  const client = new AdminClient({ service: 'device-registry', place: { socketPath }, ...options });
  return { client, seen };
}

function json(status: number, body: unknown) {
  return (response: ServerResponse) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

const silent = () => undefined;

describe('the client of an admin API', () => {
  it('calls an operation where it is declared, and gives its answer as declared', async () => {
    const { client, seen } = await service(json(200, devices));
    const answer = await client.call(registryRoutes.listDevices, { query: { state: 'locked', cursor: undefined } });
    expect(answer.devices).toEqual([]);
    expect(seen).toEqual([{ line: 'GET /v1/devices?state=locked', actor: undefined, body: '' }]);
  });

  it('names the version that a change is about', async () => {
    const { client, seen } = await service(json(412, new Problem('precondition-failed', 'It has changed.')));
    const change = { params: { name: 'default' }, ifMatch: '"1.2"', body: { domains: [] } };
    await expect(client.call(connectorRoutes.changeDraft, change)).rejects.toThrow('It has changed.');
    expect(seen).toMatchObject([
      { line: 'PATCH /v1/connectors/default/draft', ifMatch: '"1.2"', body: '{"domains":[]}' },
    ]);
  });

  it.each([
    ['a%20b', 'a%2520b'],
    ['?x=1', '%3Fx%3D1'],
    ['../../v1/status', '..%2F..%2Fv1%2Fstatus'],
  ])('escapes %s in a path once', async (id, escaped) => {
    const { client, seen } = await service(json(404, new Problem('not-found', 'There is none.')));
    await expect(client.call(signerRoutes.showCertificate, { params: { id } })).rejects.toThrow('There is none.');
    expect(seen.map(({ line }) => line)).toEqual([`GET /v1/certificates/${escaped}`]);
  });

  it('sends nothing for a path without its parameter', async () => {
    const { client, seen } = await service(json(200, devices));
    await expect(client.call(signerRoutes.showCertificate, { params: { id: '' } })).rejects.toThrow(
      'needs a value for "id"',
    );
    expect(seen).toEqual([]);
  });

  it('sends a body as JSON, and takes an operation without an answer', async () => {
    const { client, seen } = await service((response) => response.writeHead(204).end());
    const params = { deviceId: 'child01' };
    await expect(client.call(signerRoutes.withdrawEnrolmentToken, { params })).resolves.toBeUndefined();
    await client
      .call(registryRoutes.changeDevice, { params: { id: 'child01', action: 'lock' }, body: {} })
      .catch(silent);
    expect(seen.map(({ line, body }) => [line, body])).toEqual([
      ['DELETE /v1/enrollments/child01', ''],
      ['POST /v1/devices/child01/lock', '{}'],
    ]);
  });

  it('names who is behind its requests', async () => {
    const { client, seen } = await service(json(200, devices), { actor: actorName.parse('alice') });
    await client.call(registryRoutes.listDevices);
    expect(seen.map(({ actor }) => actor)).toEqual(['alice']);
  });

  it('gives the problem a service reports, and when to try again', async () => {
    const { client } = await service((response) => {
      response.setHeader('retry-after', '7');
      json(503, new Problem('unavailable', 'Not yet.'))(response);
    });
    await expect(client.call(registryRoutes.listDevices)).rejects.toMatchObject({
      type: 'unavailable',
      message: 'Not yet.',
      retryAfterSeconds: 7,
    });
  });

  it('takes an answer that tells something at another status', async () => {
    const report = { ready: false, faults: { store: 'is away' } };
    const { client } = await service(json(503, report));
    await expect(client.call(healthRoutes.readiness)).resolves.toEqual(report);
  });

  it.each([
    ['an answer against the contract', json(200, { devices: 1 }), { kind: 'not-understood' }],
    ['an answer that is no JSON', json(200, undefined), { kind: 'not-understood' }],
    ['a failure without a reason', json(500, 'ouch'), { kind: 'failed', message: expect.stringContaining('500') }],
  ])('tells of %s', async (_, answer, fault) => {
    const { client } = await service(answer);
    await expect(client.call(registryRoutes.listDevices)).rejects.toMatchObject({ name: 'AdminFault', ...fault });
  });

  it('tells of a service that does not run, with the code of the socket', async () => {
    const client = new AdminClient({ service: 'agent', place: { socketPath: '/nowhere/agent.sock' } });
    await expect(client.call(healthRoutes.readiness)).rejects.toMatchObject({
      kind: 'unreachable',
      code: 'ENOENT',
      place: '/nowhere/agent.sock',
    });
  });

  it('waits no longer than its deadline', async () => {
    const { client } = await service(silent, { timeoutMs: 50 });
    await expect(client.call(registryRoutes.listDevices)).rejects.toMatchObject({ kind: 'unreachable' });
  });

  it('throws what the program makes of a fault', async () => {
    const faultOf = (fault: AdminFault) => new Error(`sorry: ${fault.kind}`);
    const { client } = await service(json(500, 'ouch'), { faultOf });
    await expect(client.call(registryRoutes.listDevices)).rejects.toThrow('sorry: failed');
  });

  it('stops with its signal, and goes on without it to take something back', async () => {
    const stopped = new AbortController();
    const { client } = await service(json(200, devices), { signal: stopped.signal });
    stopped.abort(new Error('Ctrl-C'));
    await expect(client.call(registryRoutes.listDevices)).rejects.toThrow('Ctrl-C');
    await expect(client.uninterrupted().call(registryRoutes.listDevices)).resolves.toEqual(devices);
  });
});
