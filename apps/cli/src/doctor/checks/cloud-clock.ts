import type { Socket } from 'node:net';

const patienceMs = 5_000;
const longestHeadBytes = 16 * 1024;

/**
 * How far the clock of this machine is ahead of that of an HTTP server, in milliseconds, as far as a date in seconds tells
 * (RFC 9110 §6.6.1). Undefined when the server says no date. The connection is closed then.
 */
export async function clockDifferenceMs(
  socket: Socket,
  { host, now }: { readonly host: string; readonly now: () => Date },
): Promise<number | undefined> {
  socket.setTimeout(patienceMs, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.write(`HEAD / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  let head = '';
  try {
    for await (const chunk of socket) {
      head += Buffer.from(chunk).toString('latin1');
      if (head.includes('\r\n\r\n') || head.length > longestHeadBytes) break;
    }
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
  const date = Date.parse(/^date: *(.+?) *\r$/im.exec(head)?.[1] ?? '');
  return Number.isNaN(date) ? undefined : now().getTime() - date;
}
