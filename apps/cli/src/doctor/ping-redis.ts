import { connect as connectPlain } from 'node:net';
import { connect as connectTls } from 'node:tls';

const deadlineMs = 5_000;
const usualPort = 6379;

/**
 * Asks a Redis whether it is there and lets this site in.
 *
 * @returns what is wrong, as words behind its name; undefined when it answers
 */
export async function pingRedis(
  address: string,
  password: string | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  const url = new URL(address);
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const socket = socketTo(url);
  let received = '';
  socket.setTimeout(deadlineMs, () => resolve('does not answer in time'));
  signal.addEventListener('abort', () => resolve('was not asked'), { once: true });
  socket.on('error', (fault) => resolve(`does not answer (${'code' in fault ? String(fault.code) : fault.message})`));
  socket.once('close', () => resolve('closes the connection'));
  socket.on('data', (bytes: Buffer) => {
    received += bytes.toString('latin1');
    const refusal = /^-(\w+)/m.exec(received)?.[1];
    if (refusal !== undefined) resolve(wordsFor(refusal));
    else if (received.includes('+PONG\r\n')) resolve(undefined);
  });
  socket.write(`${loginOf(url, password)}${command('PING')}`);
  const fault = await promise;
  socket.destroy();
  return fault;
}

function socketTo({ protocol, hostname, port, pathname }: URL) {
  if (protocol === 'unix:') return connectPlain(pathname);
  const host = hostname.replace(/^\[|\]$/g, '');
  const place = { host, port: Number(port || usualPort) };
  return protocol === 'rediss:' ? connectTls({ ...place, servername: host }) : connectPlain(place);
}

function loginOf(url: URL, password = decodeURIComponent(url.password)): string {
  if (password === '') return '';
  return url.username === '' ? command('AUTH', password) : command('AUTH', decodeURIComponent(url.username), password);
}

/** RESP: an array of strings with their lengths in bytes. */
function command(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}

function wordsFor(refusal: string): string {
  switch (refusal) {
    case 'NOAUTH':
      return 'wants a password: write it into a file and name that in store.password_file';
    case 'WRONGPASS':
      return 'refuses the password';
    case 'LOADING':
      return 'is still reading its data';
    default:
      return `refuses the question (${refusal})`;
  }
}
