import {
  type EntranceDefinition,
  type EntranceDescription,
  entranceDefinition,
  Problem,
  type SecurityLevel,
} from '@sallyport/protocol';
import { type Log, PortsTaken } from '@sallyport/runtime';
import type { SystemDescription } from './standalone.js';

const levelText: Readonly<Record<SecurityLevel, string>> = {
  plain: 'plain, nobody is authenticated',
  server: 'TLS, the server is authenticated',
  mutual: 'mutual TLS, both sides are authenticated',
};

const usualSchemes: Readonly<Record<EntranceDefinition['protocol'], { readonly plain: string; readonly tls: string }>> =
  {
    http: { plain: 'http', tls: 'https' },
    mqtt: { plain: 'mqtt', tls: 'mqtts' },
    // RFC 8323 §8: CoAP over TCP, and over TLS.
    coap: { plain: 'coap+tcp', tls: 'coaps+tcp' },
  };

/** Tells the person who started the system; on a slow machine the answer may be late, which is no reason to stop. */
export async function announce(
  system: { describe(): Promise<SystemDescription> },
  output: { write(text: string): unknown },
  log: Log,
): Promise<void> {
  try {
    output.write(banner(await system.describe()));
  } catch (error) {
    log.warn({ error }, 'the system runs, but cannot be described');
  }
}

const manufacturers = [
  'Or let devices connect that have a certificate of another CA (docs/connector.md). Begin with a look at that CA:',
  '',
  '  npx sallyport client-ca decode FILE',
  '',
];

const ocfDevices = [
  'Or give a device of OCF its identity (docs/coap.md):',
  '',
  '  npx sallyport coap identity --device UUID',
  '',
];

/** What `npm start` tells the person who typed it: addresses, levels, the CA, and what to try next. */
function banner({ configDirectory, entrances, caFingerprint }: SystemDescription): string {
  const open = entrances.filter(({ isOpen }) => isOpen);
  const shut = entrances.flatMap(({ name, shutReason }) => (shutReason === undefined ? [] : [{ name, shutReason }]));
  const [names, addresses] = [open.map(({ name }) => name), open.map(addressOf)];
  const [nameWidth, addressWidth] = [longest(names), longest(addresses)];
  const rows = open.map(
    ({ name, level }, row) =>
      `  ${name.padEnd(nameWidth)}  ${(addresses[row] ?? '').padEnd(addressWidth)}  ${levelText[level]}`,
  );
  return [
    '',
    `Sallyport runs. Its configuration is in ${configDirectory}`,
    '',
    ...rows,
    ...shut.map(({ name, shutReason }) => `  ${name} is SHUT. ${shutReason}`),
    '',
    `  CA fingerprint (SHA-256)  ${caFingerprint}`,
    '',
    'Next, in a second terminal of this folder, let a child device enrol itself:',
    '',
    '  npx sallyport device enroll-token child01',
    '',
    ...(open.some(({ group }) => group === 'connector') ? manufacturers : []),
    ...(open.some(({ group }) => group === 'coap') ? ocfDevices : []),
    'Ctrl-C stops everything.',
    '',
  ].join('\n');
}

/** Tells the person whose start failed what to do, when another process of ours, or other programs, are in the way. */
export function announceFailure(error: unknown, output: { write(text: string): unknown }): void {
  if (error instanceof PortsTaken) output.write(takenPorts(error));
  if (isConflict(error)) output.write(`${error.message}\n`);
}

/** The site is in use already. The message says all there is, so a log needs no stack. */
export function isConflict(error: unknown): error is Problem {
  return error instanceof Problem && error.type === 'conflict';
}

function takenPorts({ ports }: PortsTaken): string {
  const places = ports.map(({ host, port }) => `${host} port ${port}`);
  const uses = ports.map(({ name, portKey }) => `${name} (${portKey})`);
  const [placeWidth, useWidth] = [longest(places), longest(uses)];
  const rows = ports.map(
    ({ holder }, row) =>
      `  ${(places[row] ?? '').padEnd(placeWidth)}  ${(uses[row] ?? '').padEnd(useWidth)}  ${holder} listens there`,
  );
  return [
    '',
    'Sallyport does not run: somebody else has ports it needs.',
    '',
    ...rows,
    '',
    'Stop what listens there, or choose other ports, and start again:',
    '',
    ...ports.flatMap(({ remedies }) => remedies.map((remedy) => `  ${remedy}`)),
    '',
    '',
  ].join('\n');
}

function addressOf({ group, host, port, level }: EntranceDescription): string {
  const { protocol, schemes = usualSchemes[protocol], path = '' } = entranceDefinition(group);
  const name = host === '127.0.0.1' || host === '::1' ? 'localhost' : host;
  return `${schemes[level === 'plain' ? 'plain' : 'tls']}://${name.includes(':') ? `[${name}]` : name}:${port}${path}`;
}

function longest(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => text.length));
}
