import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { type TemporaryDirectory, temporaryDirectory } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { portHolder } from './port-holder.js';

const header = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const line = (address: string, state: string, uid: number, inode: number) =>
  `   0: ${address} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000   ${uid}        0 ${inode} 1 0 100 0\n`;

describe('who listens on a port', () => {
  let machine: TemporaryDirectory;

  beforeEach(async () => {
    machine = temporaryDirectory();
    for (const folder of ['etc', 'proc/net', 'proc/612/fd', 'proc/700'])
      await mkdir(machine.file(folder), { recursive: true });
    await writeFile(machine.file('etc/passwd'), 'root:x:0:0::/root:/bin/sh\nmosquitto:x:113:119::/:/bin/false\n');
    await symlink('socket:[4711]', machine.file('proc/612/fd/5'));
    await symlink('/usr/sbin/mosquitto', machine.file('proc/612/exe'));
  });

  afterEach(() => machine.remove());

  const listenersAre = (table: 'tcp' | 'tcp6', ...lines: string[]) =>
    writeFile(machine.file('proc/net', table), header + lines.join(''));
  const holderOf = (port: number) =>
    portHolder({ host: '127.0.0.1', port }, { proc: machine.file('proc'), etc: machine.file('etc') });

  it('is a program, its process and its user, where the system shows them', async () => {
    await listenersAre('tcp', line('0100007F:075B', '0A', 113, 4711));
    expect(await holderOf(1883)).toEqual({ user: 'mosquitto', process: { pid: 612, program: 'mosquitto' } });
  });

  it('is found among the listeners on IPv6 too', async () => {
    await listenersAre('tcp6', line('00000000000000000000000000000000:075B', '0A', 113, 4711));
    expect(await holderOf(1883)).toMatchObject({ process: { pid: 612 } });
  });

  it('is at least a user, where the process is hidden from us', async () => {
    await listenersAre('tcp', line('0100007F:075B', '0A', 113, 99));
    expect(await holderOf(1883)).toEqual({ user: 'mosquitto' });
  });

  it('is the number of a user who has no name here', async () => {
    await listenersAre('tcp', line('0100007F:075B', '0A', 1017, 99));
    expect(await holderOf(1883)).toEqual({ user: '1017' });
  });

  it('is nobody who listens on the same port of another address', async () => {
    await listenersAre('tcp', line('0501A8C0:075B', '0A', 0, 99), line('0100007F:075B', '0A', 113, 4711));
    expect(await holderOf(1883)).toMatchObject({ user: 'mosquitto' });
  });

  it('is nobody when a connection, not a listener, has the port', async () => {
    await listenersAre('tcp', line('0100007F:075B', '01', 113, 4711));
    expect(await holderOf(1883)).toBeUndefined();
  });

  it('is nobody where the system does not tell', async () => {
    expect(await holderOf(1883)).toBeUndefined();
  });

  it('is this process, on this machine, for a port we opened', async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
    expect((await portHolder({ host: '127.0.0.1', port }))?.process?.pid).toBe(process.pid);
    server.close();
  });
});
