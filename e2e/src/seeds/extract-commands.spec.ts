import { describe, expect, it } from 'vitest';
import { readDocument } from './document.js';
import { extractCommands } from './extract-commands.js';

describe('commands of the page on HTTPS', () => {
  it('of the default setting', async () => {
    const document = await readDocument('https');
    expect(extractCommands(document, ['Default HTTP Setting', 'File Transfer Service'])).toEqual([
      {
        place: undefined,
        commands: [
          'echo "Hello thin-edge.io" >/tmp/foo.txt',
          "curl -X PUT -F 'file=@/tmp/foo.txt' http://localhost:8000/tedge/file-transfer/foo.txt",
          'curl http://localhost:8000/tedge/file-transfer/foo.txt',
          '',
        ].join('\n'),
      },
    ]);
  });

  it('of opening the service to the network, each with the place it belongs to', async () => {
    const blocks = extractCommands(await readDocument('https'), [
      'Open HTTP services on the local network',
      'File Transfer Service',
    ]);
    expect(blocks.map(({ place, commands }) => [place, commands.split('\n')[0]])).toEqual([
      ['main device', 'sudo tedge config set http.bind.address 192.168.1.6'],
      ['child device', 'sudo tedge config set http.client.host rpi4-dca632efb150'],
      ['child device', 'echo "Hello thin-edge.io" >/tmp/foo.txt'],
    ]);
  });

  it('of generating the server certificates, with here-documents and continuation lines whole', async () => {
    const blocks = extractCommands(await readDocument('https'), ['Enable HTTPS', 'Generating Certificates']);
    expect(blocks.map(({ place, commands }) => [place, commands.split('\n').length - 1])).toEqual([
      [undefined, 12],
      ['on the main as well as the child devices', 2],
      [undefined, 26],
      [undefined, 25],
    ]);
    expect(blocks[0]?.commands).toContain(
      'DEVICE=$(tedge config get device.id)\n\n## Signing certificate\nopenssl req \\\n',
    );
    expect(blocks[2]?.commands).toContain(
      'subjectAltName=DNS:$(hostname),DNS:localhost\nEOF\n\nopenssl x509 -req \\\n',
    );
    expect(blocks[2]?.commands).toMatch(/-out main-agent.crt \\\n-days 100\n$/);
  });

  it('of enabling HTTPS', async () => {
    const blocks = extractCommands(await readDocument('https'), ['Enable HTTPS', 'File Transfer Service']);
    expect(blocks[0]).toEqual({
      place: 'main device',
      commands: [
        'sudo tedge config set http.cert_path /etc/tedge/device-local-certs/main-agent.crt',
        'sudo tedge config set http.key_path /etc/tedge/device-local-certs/main-agent.key',
        'sudo systemctl restart tedge-agent',
        '',
      ].join('\n'),
    });
    expect(blocks).toHaveLength(2);
  });

  it('of client authentication', async () => {
    const document = await readDocument('https');
    const generating = extractCommands(document, ['Enable HTTPS client authentication', 'Generating Certificates']);
    expect(generating.map(({ place }) => place)).toEqual([
      'on each child device',
      'on the laptop owning the signing key',
    ]);
    const enabling = extractCommands(document, ['Enable HTTPS client authentication', 'File Transfer Service']);
    expect(enabling.map(({ place }) => place)).toEqual(['main device', 'child device', 'child device']);
    expect(enabling[0]?.commands).toBe(
      'sudo tedge config set http.ca_path /etc/ssl/certs\nsudo systemctl restart tedge-agent\n',
    );
  });

  it('finds every command of the page in some section', async () => {
    const document = await readDocument('https');
    const sections = [
      'Default HTTP Setting',
      'Open HTTP services on the local network',
      'Enable HTTPS',
      'Enable HTTPS client authentication',
    ].flatMap((heading) => [
      ...extractCommands(document, [heading, 'File Transfer Service']),
      ...extractCommands(document, [heading, 'Cumulocity Proxy']),
      ...(heading.startsWith('Enable') ? extractCommands(document, [heading, 'Generating Certificates']) : []),
    ]);
    const count = (text: string, word: RegExp) => text.match(word)?.length ?? 0;
    const extracted = sections.map(({ commands }) => commands).join('');
    for (const word of [/^curl /gm, /^openssl /gm, /^sudo /gm, /^tedge /gm, /^cp /gm, /^echo /gm, /^cat /gm])
      expect(count(extracted, word)).toBe(count(document, word));
  });

  it('says which section is missing', async () => {
    const document = await readDocument('https');
    expect(() => extractCommands(document, ['Default HTTP Setting', 'Generating Certificates'])).toThrow(
      'The document has no section Default HTTP Setting / Generating Certificates: "Generating Certificates" is missing.',
    );
  });
});

describe('commands of the page on the PKI of a connector', () => {
  it('of the Client CA, which stands in a list', async () => {
    expect(extractCommands(await readDocument('connector'), ['Configuration'])).toEqual([
      {
        place: undefined,
        commands:
          'openssl req -x509 -nodes -days 365 -sha256 -subj /C=US/ST=MN/L=Mpls/O=westpharma/CN=<The-domain-of-connector> -newkey rsa:2048 -keyout <Key-name>-key.pem -out <Cert-name>-cert.pem\n',
      },
    ]);
  });

  it('of the device: its certificate, and its first message', async () => {
    const blocks = extractCommands(await readDocument('connector'), ['Connecting Device']);
    expect(blocks.map(({ commands }) => commands.match(/^\w+ \S+/gm))).toEqual([
      ['openssl req', 'openssl x509'],
      ['curl -v'],
    ]);
    expect(blocks[1]?.commands).toMatch(/ \\\n {2}-d temperature=50\n$/);
  });
});

describe('commands of the page on MQTT', () => {
  it('of generating certificates', async () => {
    const [block, ...others] = extractCommands(await readDocument('mqtt'), ['Generating certificates']);
    expect(others).toEqual([]);
    expect(block?.commands.split('\n')[0]).toBe('openssl req \\');
    expect(block?.commands).toContain('    -subj "/C=US/ST=Denial/L=Springfield/O=Dis/CN=client1" \\\n');
  });

  it('leaves out what is fenced as configuration', async () => {
    const document = await readDocument('mqtt');
    const section = 'Server + client authentication';
    const first = 'Step 1: Configure server + client authenticated listener in Mosquitto broker';
    expect(extractCommands(document, [section, first])).toEqual([]);
  });
});
