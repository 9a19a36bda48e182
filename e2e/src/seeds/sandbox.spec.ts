import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { Sandbox } from './sandbox.js';

const pi = { hostname: 'rpi4-dca632efb150', address: '192.168.1.6' };

describe('sandbox for commands of a document', () => {
  it('keeps variables and the working directory from block to block', async () => {
    await using sandbox = await Sandbox.open({ ...pi, workingDirectory: '/etc/tedge/device-local-certs' });
    await sandbox.run('DEVICE=main\ncd ..');
    expect((await sandbox.run('echo "$DEVICE in $PWD"')).stdout).toBe('main in /etc/tedge\n');
  });

  it('names every command that failed and goes on after it', async () => {
    await using sandbox = await Sandbox.open(pi);
    const { failures, stdout, stderr } = await sandbox.run('false\necho on\ncurl --fail \\\nhttp://localhost:1/x\n');
    expect(failures).toEqual(['1: false', '7: curl --fail http://localhost:1/x']);
    expect(stdout).toBe('on\n');
    expect(stderr).toContain('Failed to connect to localhost port 1');
  });

  it('has the host name and the address it was given', async () => {
    await using sandbox = await Sandbox.open(pi);
    const { stdout } = await sandbox.run('hostname\ngetent hosts rpi4-dca632efb150 | tr -s " "');
    expect(stdout).toBe('rpi4-dca632efb150\n192.168.1.6 rpi4-dca632efb150\n');
    expect(hostname()).not.toBe('rpi4-dca632efb150');
  });

  it('keeps what is written to the system to itself', async () => {
    await using sandbox = await Sandbox.open(pi);
    const paths = [
      '/etc/tedge-sandbox/x',
      '/usr/local/share/ca-certificates/sandbox.crt',
      '/var/sandbox',
      '/run/sandbox',
      '/tmp/sandbox',
    ];
    const { failures } = await sandbox.run(
      `mkdir /etc/tedge-sandbox\n${paths.map((path) => `echo x >${path}`).join('\n')}`,
    );
    expect(failures).toEqual([]);
    expect(paths.filter((path) => existsSync(path))).toEqual([]);
  });

  it('has ports of its own', async () => {
    await using first = await Sandbox.open(pi);
    await using second = await Sandbox.open(pi);
    const listen =
      'import("node:net").then(({createServer}) => createServer((s) => s.end("hi")).listen(8000, "192.168.1.6", () => console.log("up")))';
    for (const sandbox of [first, second]) {
      const server = sandbox.spawn(process.execPath, ['-e', listen]);
      await new Promise((resolve) => server.stdout?.once('data', resolve));
    }
    const { stdout } = await second.run('curl --http0.9 --silent http://rpi4-dca632efb150:8000/');
    expect(stdout).toBe('hi');
  });

  it('reaches its neighbour by name, over a cable and nothing else', async () => {
    await using main = await Sandbox.open(pi);
    await using child = await Sandbox.open({ hostname: 'child01', address: '192.168.1.7', neighbour: main });
    const serve = (address: string, text: string) =>
      `import("node:net").then(({createServer}) => createServer((s) => s.end("${text}")).listen(8000, "${address}", () => console.log("up")))`;
    for (const [sandbox, address, text] of [
      [main, '192.168.1.6', 'main'],
      [main, '127.0.0.1', 'for itself'],
      [child, '192.168.1.7', 'child'],
    ] as const) {
      const server = sandbox.spawn(process.execPath, ['-e', serve(address, text)]);
      await new Promise((resolve) => server.stdout?.once('data', resolve));
    }
    const curl = 'curl --http0.9 --silent';
    expect((await child.run(`${curl} http://rpi4-dca632efb150:8000/`)).stdout).toBe('main');
    expect((await main.run(`${curl} http://child01:8000/`)).stdout).toBe('child');
    expect((await child.run(`${curl} http://127.0.0.1:8000/`)).failures).toHaveLength(1);
  });

  it('runs programs under the names the document uses', async () => {
    await using sandbox = await Sandbox.open({ ...pi, programs: { tedge: 'echo "tedge was called with: $*"' } });
    const { stdout } = await sandbox.run('sudo tedge config set http.bind.address 192.168.1.6');
    expect(stdout).toBe('tedge was called with: config set http.bind.address 192.168.1.6\n');
  });

  it('waits until a restart is done', async () => {
    const restarted: string[] = [];
    const onRestart = async (unit: string): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve));
      restarted.push(unit);
    };
    await using sandbox = await Sandbox.open({ ...pi, onRestart });
    expect((await sandbox.run('sudo systemctl restart tedge-agent')).failures).toEqual([]);
    expect(restarted).toEqual(['tedge-agent']);
  });

  it('lets a restart that failed fail the command', async () => {
    const onRestart = async (): Promise<void> => {
      throw new Error('the key does not pair');
    };
    await using sandbox = await Sandbox.open({ ...pi, onRestart });
    const { failures, stdout } = await sandbox.run('sudo systemctl restart tedge-agent');
    expect(failures).toEqual(['22: sudo systemctl restart tedge-agent']);
    expect(stdout).toBe('the key does not pair\n');
  });

  it('ends a block that takes too long', async () => {
    await using sandbox = await Sandbox.open(pi);
    await expect(sandbox.run('sleep 60', { deadlineMs: 50 })).rejects.toThrow('its shell is still busy');
  });

  it('says why it cannot be opened', async () => {
    await expect(Sandbox.open({ ...pi, hostname: 'x'.repeat(65) })).rejects.toThrow(
      /its shell ended with 1\. .*hostname.*(too long|invalid)/s,
    );
  });

  it('leaves nothing running', async () => {
    const sandbox = await Sandbox.open(pi);
    const { stdout } = await sandbox.run('echo $$');
    await sandbox[Symbol.asyncDispose]();
    expect(() => process.kill(Number(stdout), 0)).toThrow('ESRCH');
  });
});
