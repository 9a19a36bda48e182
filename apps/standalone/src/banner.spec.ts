import { Problem } from '@sallyport/protocol';
import { openLog, PortsTaken } from '@sallyport/runtime';
import { describe, expect, it } from 'vitest';
import { announce, announceFailure } from './banner.js';

function terminal() {
  const written: string[] = [];
  const lines: string[] = [];
  const log = openLog({ destination: { write: (line) => void lines.push(line) } });
  return { written, lines, log, output: { write: (text: string) => void written.push(text) } };
}

describe('what the person who started Sallyport sees', () => {
  it('are the open entrances, as addresses to copy, and the fingerprint of the CA', async () => {
    const { written, log, output } = terminal();
    const entrance = { name: 'file transfer', group: 'http', host: '127.0.0.1', port: 8000, isOpen: true } as const;
    const closed = { ...entrance, name: 'closed', isOpen: false };
    const entrances = [
      { ...entrance, level: 'plain', sessions: 0 } as const,
      { ...closed, level: 'plain', sessions: 0 } as const,
    ];
    await announce(
      { describe: async () => ({ configDirectory: '/etc/tedge', entrances, caFingerprint: 'ab12' }) },
      output,
      log,
    );
    expect(written.join('')).toContain(
      '  file transfer  http://localhost:8000/tedge/file-transfer/  plain, nobody is authenticated\n\n  CA fingerprint (SHA-256)  ab12\n',
    );
  });

  it('is a second way to begin, where the connector is open', async () => {
    const { written, log, output } = terminal();
    const connector = { name: 'connector', group: 'connector', host: '0.0.0.0', port: 8444, isOpen: true } as const;
    const entrances = [{ ...connector, level: 'server', sessions: 0 } as const];
    await announce(
      { describe: async () => ({ configDirectory: '/etc/tedge', entrances, caFingerprint: '' }) },
      output,
      log,
    );
    expect(written.join('')).toContain('  connector  https://0.0.0.0:8444/api:v1/  TLS, the server is authenticated\n');
    expect(written.join('')).toMatch(/\n {2}npx sallyport client-ca decode FILE\n\nCtrl-C/);
  });

  it('is a way to begin with OCF devices, where the CoAP gateway is open', async () => {
    const { written, log, output } = terminal();
    const gateway = { name: 'CoAP gateway', group: 'coap', host: '127.0.0.1', port: 5684, isOpen: true } as const;
    const entrances = [{ ...gateway, level: 'mutual', sessions: 0 } as const];
    await announce(
      { describe: async () => ({ configDirectory: '/etc/tedge', entrances, caFingerprint: '' }) },
      output,
      log,
    );
    expect(written.join('')).toContain('  CoAP gateway  coaps+tcp://localhost:5684  mutual TLS, both sides');
    expect(written.join('')).toMatch(/\n {2}npx sallyport coap identity --device UUID\n\nCtrl-C/);
  });

  it('is a warning when the system cannot be described, and the system goes on', async () => {
    const { written, lines, log, output } = terminal();
    const describe = () => Promise.reject(new Problem('unavailable', 'No answer within 3000 ms.'));
    await announce({ describe }, output, log);
    expect(written).toEqual([]);
    expect(lines.map((line) => JSON.parse(line).message)).toEqual(['the system runs, but cannot be described']);
  });

  it('is one plain line when Sallyport already runs here', () => {
    const { written, output } = terminal();
    announceFailure(new Problem('conflict', 'Sallyport already runs here (process 612).'), output);
    expect(written).toEqual(['Sallyport already runs here (process 612).\n']);
  });

  it('are, when ports are taken, all of them, who listens there, and commands to copy', () => {
    const { written, output } = terminal();
    const mqtt = { name: 'MQTT', portKey: 'mqtt.bind.port', host: '127.0.0.1', port: 1883 } as const;
    const http = { name: 'file transfer', portKey: 'http.bind.port', host: '127.0.0.1', port: 8000 } as const;
    const ports = [
      { ...mqtt, holder: 'mosquitto (process 612)', remedies: ['npx sallyport config set mqtt.bind.port 1884'] },
      {
        ...http,
        holder: 'a program of user alice',
        remedies: ['npx sallyport config set http.bind.port 8003', 'npx sallyport config set http.client.port 8003'],
      },
    ];
    announceFailure(new PortsTaken(ports, {}), output);
    expect(written.join('')).toBe(
      [
        '',
        'Sallyport does not run: somebody else has ports it needs.',
        '',
        '  127.0.0.1 port 1883  MQTT (mqtt.bind.port)           mosquitto (process 612) listens there',
        '  127.0.0.1 port 8000  file transfer (http.bind.port)  a program of user alice listens there',
        '',
        'Stop what listens there, or choose other ports, and start again:',
        '',
        '  npx sallyport config set mqtt.bind.port 1884',
        '  npx sallyport config set http.bind.port 8003',
        '  npx sallyport config set http.client.port 8003',
        '',
        '',
      ].join('\n'),
    );
  });
});
