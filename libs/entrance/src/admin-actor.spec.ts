import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';
import { actorOf } from './admin-actor.js';

/** What a server makes of the sender of a request: the actor, or the type of the problem. */
async function judged(
  place: 'socket' | 'network',
  headers: Readonly<Record<string, string | string[]>>,
): Promise<string> {
  const directory = temporaryDirectory('sp-');
  const socketPath = directory.file('admin.sock');
  const server = createServer((incoming, response) => response.end(actorText(() => actorOf(incoming))));
  if (place === 'socket') server.listen(socketPath);
  else server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await directory.remove();
  });
  const target = place === 'socket' ? { socketPath } : { host: '127.0.0.1', port: portOf(server.address()) };
  const [response] = await once(request({ ...target, headers }).end(), 'response');
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return text;
}

function actorText(actor: () => string): string {
  try {
    return actor();
  } catch (problem) {
    return problem instanceof Error && 'type' in problem ? String(problem.type) : String(problem);
  }
}

function portOf(address: AddressInfo | string | null): number {
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('the actor of an admin request', () => {
  it('is the owner of the socket, and the user the header names', async () => {
    await expect(judged('socket', {})).resolves.toBe('local-admin');
    await expect(judged('socket', { 'Sallyport-Actor': 'alice' })).resolves.toBe('local-admin:alice');
  });

  it.each([
    ['an empty name', ''],
    ['a name with a space', 'alice for root'],
    ['a name beyond ASCII', 'al\u00efce'],
    ['a name of 65 characters', 'a'.repeat(65)],
    ['two names', ['alice', 'bob']],
  ])('is refused with %s', async (_, name) => {
    await expect(judged('socket', { 'Sallyport-Actor': name })).resolves.toBe('invalid-request');
  });

  it('is nobody over the network without a certificate, whatever the header says', async () => {
    await expect(judged('network', {})).resolves.toBe('forbidden');
    await expect(judged('network', { 'Sallyport-Actor': 'alice' })).resolves.toBe('forbidden');
  });
});
