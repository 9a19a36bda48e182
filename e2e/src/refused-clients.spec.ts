import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TestCa, type TestCertificate } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { System, succeeded } from './system.js';

/** The certificate that a client shows; undefined for none. */
type Shown = Pick<TestCertificate, 'certPath' | 'keyPath'> | undefined;

/** A cell of a table of the page: the refusal, and what one client prints about it. */
interface Row {
  readonly refusal: string;
  readonly client: string;
  /** Words in code marks. The client must print each of them. */
  readonly words: readonly string[];
}

const page = await readFile(join(import.meta.dirname, '../../docs/refused-clients.md'), 'utf8');

/**
 * The cells of the table below a heading, one for each refusal and client. A cell without code marks is not checked.
 */
function rowsBelow(heading: string): Row[] {
  const [, section = ''] = page.split(`## ${heading}\n`);
  const [own = ''] = section.split('\n## ');
  const lines = own.split('\n').filter((line) => line.startsWith('|'));
  const [head = [], , ...body] = lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  return body.flatMap(([refusal = '', ...cells]) =>
    cells.map((cell, index) => ({
      refusal: refusal.replaceAll('`', ''),
      client: (head[index + 1] ?? '').replaceAll('`', ''),
      words: [...cell.matchAll(/`([^`]+)`/g)].map(([, words = '']) => words),
    })),
  );
}

const pythonClient = `
import http.client, ssl, sys
port, ca, *pair = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
if pair: context.load_cert_chain(*pair)
try:
    connection = http.client.HTTPSConnection('localhost', int(port), context=context, timeout=10)
    connection.request('GET', '/tedge/file-transfer/x')
    answer = connection.getresponse()
    print(answer.status, answer.read().decode())
except Exception as fault:
    print(type(fault).__name__, fault)
`;

const ocfUsage = 'clientAuth,serverAuth,1.3.6.1.4.1.44924.1.6';
const uuidOf = (index: number) => `3f4a9c1e-5b7d-4e2a-8c6f-0d1e2f3a4b5${index}`;

describe('a client that is refused', () => {
  let system: System;
  let ca: string;
  let otherCa: string;
  const shown = new Map<string, Shown>();

  beforeAll(async () => {
    system = await System.start();
    await using owner = await TestCa.create({ commonName: 'Trusted elsewhere' });
    await using stranger = await TestCa.create({ commonName: 'Stranger' });
    const trusted = join(system.directory, 'trusted');
    await mkdir(trusted);
    succeeded(await system.sallyport('ca', 'export', '--output', join(trusted, 'site.pem')));
    succeeded(await system.run('cp', [owner.certPath, join(trusted, 'other.pem')]));
    for (const key of ['http.ca_path', 'mqtt.bind.ca_path', 'coap.tls.ca_path'])
      succeeded(await system.sallyport('config', 'set', key, trusted));
    succeeded(await system.sallyport('secure', 'mutual'));
    const [locked, revoked] = await Promise.all([system.enrol('locked'), system.enrol('revoked')]);
    succeeded(await system.sallyport('device', 'lock', 'locked'));
    succeeded(await system.sallyport('device', 'revoke', 'revoked'));
    await addOcfDevices({ owner, stranger });
    ca = locked.caPath;
    otherCa = join(trusted, 'other.pem');
    const yesterday = new Date(Date.now() - 86_400_000);
    const made = {
      'issuer-unknown': await stranger.issue({ commonName: 'unknown' }),
      'certificate-expired': await owner.issue({ commonName: 'old', notBefore: new Date(0), notAfter: yesterday }),
      'wrong-purpose': await owner.issue({ commonName: 'server', extendedKeyUsage: 'serverAuth' }),
    };
    shown.set('no-certificate', undefined);
    shown.set('device-locked', locked);
    shown.set('device-revoked', revoked);
    for (const [refusal, { certPath, keyPath }] of Object.entries(made)) {
      const copy = join(system.directory, refusal);
      await mkdir(copy);
      succeeded(await system.run('cp', [certPath, keyPath, copy]));
      shown.set(refusal, { certPath: join(copy, 'cert.pem'), keyPath: join(copy, 'key.pem') });
    }
  }, 180_000);

  afterAll(() => system.stop());

  /** Devices of OCF with the same faults, each with the name that is shown below `coap`. */
  async function addOcfDevices({ owner, stranger }: Record<'owner' | 'stranger', TestCa>): Promise<void> {
    for (const [index, verb] of ['lock', 'revoke'].entries()) {
      const [id, out] = [uuidOf(index), join(system.directory, `ocf-${verb}`)];
      succeeded(await system.sallyport('coap', 'identity', '--device', id, '--out', out));
      succeeded(await system.sallyport('device', verb, `uuid:${id}`));
      const files = { certPath: join(out, 'identity.pem'), keyPath: join(out, 'identity.key') };
      shown.set(`coap device-${verb}${verb === 'lock' ? 'ed' : 'd'}`, files);
    }
    const device = { commonName: `uuid:${uuidOf(2)}`, extendedKeyUsage: ocfUsage };
    const made = {
      'issuer-unknown': await stranger.issue(device),
      'certificate-expired': await owner.issue({ ...device, notBefore: new Date(0), notAfter: new Date(86_400_000) }),
      'wrong-purpose': await owner.issue({ ...device, extendedKeyUsage: 'serverAuth' }),
    };
    for (const [refusal, { certPath, keyPath }] of Object.entries(made)) {
      const copy = join(system.directory, `ocf-${refusal}`);
      await mkdir(copy);
      succeeded(await system.run('cp', [certPath, keyPath, copy]));
      shown.set(`coap ${refusal}`, { certPath: join(copy, 'cert.pem'), keyPath: join(copy, 'key.pem') });
    }
  }

  /** Everything a client prints, to standard output and standard error. */
  async function printedBy(client: string, refusal: string): Promise<string> {
    const isPlain = refusal === 'without TLS';
    const certificate = shown.get(client.startsWith('coap-client') ? `coap ${refusal}` : refusal);
    const roots = refusal === 'server not trusted' ? otherCa : ca;
    const [command, ...args] = commandOf(client, { certificate, isPlain, roots });
    const { stdout, stderr } = await system.run(command, args);
    return stdout + stderr;
  }

  interface Call {
    readonly certificate: Shown;
    readonly isPlain: boolean;
    /** CA certificates the client trusts. */
    readonly roots: string;
  }

  function commandOf(client: string, { certificate, isPlain, roots }: Call): [string, ...string[]] {
    const { http, mqtt, coap } = system.ports;
    const pair = certificate === undefined ? [] : [certificate.certPath, certificate.keyPath];
    const [cert = '', key = ''] = pair;
    const options = (prefix: string) => (cert === '' ? [] : [`${prefix}cert`, cert, `${prefix}key`, key]);
    const path = `localhost:${http}/tedge/file-transfer/x`;
    const request = `printf 'GET /tedge/file-transfer/x HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n'`;
    const tls = isPlain ? [] : ['--cafile', roots, ...options('--')];
    const publish = ['-h', 'localhost', '-p', String(mqtt), '-t', 'te/x', '-m', 'x', ...tls];
    const coapPair = cert === '' ? [] : ['-c', cert, '-j', key];
    const askCoap = isPlain
      ? ['-m', 'get', '-B', '5', `coap+tcp://127.0.0.1:${coap}/oic/res`]
      : ['-m', 'get', '-B', '5', ...coapPair, '-R', roots, `coaps+tcp://127.0.0.1:${coap}/oic/res`];
    const sClient = [
      'openssl s_client -connect',
      `localhost:${http}`,
      '-CAfile',
      roots,
      '-ign_eof -quiet',
      // openssl sends only the first certificate of -cert.
      ...(cert === '' ? [] : ['-cert_chain', cert]),
      ...options('-'),
    ];
    const commands: Readonly<Record<string, [string, ...string[]]>> = {
      curl: isPlain
        ? ['curl', '-sS', '-i', path]
        : ['curl', '-sS', '-i', '--cacert', roots, ...options('--'), `https://${path}`],
      'openssl s_client': ['sh', '-c', `${request} | ${sClient.join(' ')}`],
      Python: ['python3', '-c', pythonClient, String(http), roots, ...pair],
      'coap-client-openssl': ['coap-client-openssl', ...askCoap],
      'coap-client-gnutls': ['coap-client-gnutls', ...askCoap],
      mosquitto_pub: ['mosquitto_pub', ...publish],
      'mosquitto_pub -V 5': ['mosquitto_pub', '-V', '5', ...publish],
    };
    const command = commands[client];
    if (command === undefined) throw new Error(`the page names ${client}, which is not known here`);
    return command;
  }

  describe.each(['HTTP', 'MQTT', 'CoAP'])('over %s, as the page says', (protocol) => {
    const rows = rowsBelow(`Over ${protocol}`);

    it('finds each refusal on the page', () => {
      expect([...new Set(rows.map(({ refusal }) => refusal))]).toEqual([
        'no-certificate',
        'issuer-unknown',
        'certificate-expired',
        'wrong-purpose',
        'device-locked',
        'device-revoked',
        'without TLS',
        'server not trusted',
      ]);
    });

    it.each(rows.filter(({ words }) => words.length > 0))(
      '$refusal: $client prints $words',
      async ({ refusal, client, words }) => {
        const printed = await printedBy(client, refusal);

        for (const expected of words) expect(printed).toContain(expected);
      },
    );
  });
});
