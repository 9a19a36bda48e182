import {
  connect,
  createServer,
  getDefaultAutoSelectFamilyAttemptTimeout,
  setDefaultAutoSelectFamilyAttemptTimeout,
} from 'node:net';
import { expect, it } from 'vitest';
import { giveAddressesTime, lookupHost } from './index.js';

it.each(['127.0.0.1', '::1'])('localhost leads to a listener that has only %s', async (address) => {
  const server = createServer((socket) => socket.end(address));
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const bound = server.address();
  const port = typeof bound === 'object' ? (bound?.port ?? 0) : 0;
  const text = await new Promise<string>((resolve, reject) => {
    const socket = connect({ host: 'localhost', port, lookup: lookupHost });
    socket.on('data', (chunk) => resolve(chunk.toString()));
    socket.on('error', reject);
  });
  server.close();
  expect(text).toBe(address);
});

it('each address of a host has two seconds, in a program that wants it', () => {
  const before = getDefaultAutoSelectFamilyAttemptTimeout();
  try {
    giveAddressesTime();
    expect(getDefaultAutoSelectFamilyAttemptTimeout()).toBe(2_000);
  } finally {
    setDefaultAutoSelectFamilyAttemptTimeout(before);
  }
});
