import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { quoted, readMqttAccess, type Settings } from '@sallyport/config';
import { exists, makeFolder, writeFileAtomic } from '@sallyport/files';
import { deviceId, type SecurityLevel, securityLevel } from '@sallyport/protocol';
import { verifySignedBy } from '@sallyport/x509';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { ExitStatus, Failure } from '../failure.js';
import { readMosquittoConfiguration } from '../mosquitto/configuration.js';
import { mosquittoFindings } from '../mosquitto/findings.js';
import {
  autosaveSeconds,
  backSideSocket,
  type DirectListener,
  type GeneratedFile,
  type MosquittoOptions,
  type MosquittoVersion,
  mosquittoFiles,
  mosquittoVersions,
} from '../mosquitto/generated.js';
import { absolutePath, deviceIdArgument, globalOptions, openSettings, optionsOf } from '../options.js';
import { writeJson, writeLines } from '../output.js';
import { isPair, readPemFile } from '../site/pem-file.js';

const options = globalOptions.extend({
  level: securityLevel.optional(),
  direct: z.boolean().default(false),
  durable: z.boolean().default(false),
  output: z.string().optional(),
  for: z.enum(mosquittoVersions).default('2.0'),
  device: z.array(deviceId).default([]),
  check: z.union([z.string(), z.literal(true)]).optional(),
});
type Options = z.infer<typeof options>;

/** `mqtt broker-config`: makes the configuration of a Mosquitto, or says what is wrong with one. */
export function brokerConfigCommand(context: CliContext, parent: Command): void {
  parent
    .command('broker-config')
    .description(
      'make the configuration of a Mosquitto behind the MQTT entrance (with --direct: without it), or check one',
    )
    .addOption(new Option('--level <level>', 'level of the clients').choices(securityLevel.options))
    .option('--direct', 'clients connect to Mosquitto itself; see docs/mosquitto.md for what is missing then')
    .addOption(
      new Option(
        '--durable',
        'behind the entrance: a crash of Mosquitto loses nothing it has acknowledged, at about 1,900 messages a second',
      ).conflicts('direct'),
    )
    .option('-o, --output <dir>', 'folder to write the files to, where Mosquitto will read them (default: print them)')
    .addOption(new Option('--for <version>', 'version of Mosquitto (default: 2.0)').choices(mosquittoVersions))
    .addOption(
      new Option(
        '--device <id>',
        'with --direct: a device that runs an agent of thin-edge.io; may be repeated',
      ).argParser((text: string, earlier: string[] | undefined) => [...(earlier ?? []), deviceIdArgument(text)]),
    )
    .option('--check [file]', 'say what is wrong with a configuration (default: that of mqtt.broker.config_file)')
    .action(async (_options: unknown, command: Command) => {
      const given = optionsOf(command, options);
      const settings = await openSettings(context, given);
      if (given.check !== undefined) return await check(context, given, settings);
      if (given.level === undefined) command.error('the option --level is needed: plain, server or mutual');
      else await make(context, { ...given, level: given.level }, settings);
    });
}

async function check(context: CliContext, { check: file, json }: Options, settings: Settings): Promise<void> {
  const path = typeof file === 'string' ? absolutePath(context, file) : settings.get('mqtt.broker.config_file');
  const listeners = await readMosquittoConfiguration(path);
  if (listeners === undefined) throw new Failure(`There is no file ${path}.`, 'Give the path of a mosquitto.conf.');
  const findings = await mosquittoFindings(listeners, context.now());
  if (json) writeJson(context, { file: path, findings });
  else if (findings.length === 0) writeLines(context, [`ok       ${path}`]);
  else
    writeLines(
      context,
      findings.flatMap(({ severity, what, fix }) => [`${severity.padEnd(7)}  ${what}`, `         mend it: ${fix}`]),
    );
  if (findings.length > 0) throw new ExitStatus(1);
}

type MakeOptions = Options & { readonly level: SecurityLevel };

async function make(context: CliContext, given: MakeOptions, settings: Settings): Promise<void> {
  const directory = given.output === undefined ? '/etc/mosquitto/sallyport' : absolutePath(context, given.output);
  const direct = given.direct ? await directListener(given.level, settings) : undefined;
  const made: MosquittoOptions = {
    version: given.for,
    directory,
    devices: given.device,
    plugins: await pluginFolder(given.for),
    isDurable: given.durable,
    ...(direct === undefined ? {} : { direct }),
  };
  const files = mosquittoFiles(await readMqttAccess(settings), made);
  if (given.json) return writeJson(context, { directory, files: files.map(({ name, text }) => ({ name, text })) });
  if (given.output === undefined)
    return writeLines(
      context,
      files.flatMap((file) => printed(directory, file)),
    );
  await write(directory, files);
  writeLines(context, [
    ...files.map(({ name }) => `wrote ${join(directory, name)}`),
    ...nextSteps(given, directory, settings).map(context.typed),
  ]);
}

function printed(directory: string, { name, text }: GeneratedFile): string[] {
  return [`# ----- ${join(directory, name)}`, ...text.trimEnd().split('\n')];
}

async function write(directory: string, files: readonly GeneratedFile[]): Promise<void> {
  await makeFolder(directory, 0o750);
  for (const { name, text, mode } of files) {
    const path = join(directory, name);
    await writeFileAtomic(path, text, mode);
    // The umask has no say here: Mosquitto must read the file, and others must not.
    await chmod(path, mode);
  }
}

function nextSteps({ level, direct, durable }: MakeOptions, directory: string, settings: Settings): string[] {
  const folder = quoted(directory);
  const isMutual = direct && level === 'mutual';
  const unit = '/etc/systemd/system/mosquitto.service.d/sallyport.conf';
  const asRoot = [
    `  chown -R mosquitto: ${folder}`,
    `  cp ${folder}/mosquitto.conf /etc/mosquitto/mosquitto.conf`,
    ...(isMutual ? [] : [`  install -D -m 0644 ${folder}/mosquitto.service.conf ${unit}`, '  systemctl daemon-reload']),
    '  systemctl restart mosquitto',
  ];
  // Mosquitto reads the key as its own user when it is reloaded.
  const key = direct && level !== 'plain' ? settings.get('mqtt.bind.key_file') : undefined;
  return [
    '',
    'Next, as root:',
    ...asRoot,
    ...(key === undefined ? [] : [`The user "mosquitto" must be able to read ${key}.`]),
    ...(isMutual ? revocationSteps : backSideSteps(level, direct)),
    ...(durable ? durableSteps : crashNote(direct)),
    'Run this command again when the rules of the site for MQTT topics change.',
  ];
}

const revocationSteps: readonly string[] = [
  'Mosquitto alone keeps the open sessions of revoked clients. To end them, install end-revoked-sessions and the units',
  'sallyport-mosquitto-crl.* as docs/mosquitto.md says.',
];

const durableSteps: readonly string[] = [
  '  sallyport config set mqtt.broker.waits_for_save true',
  'Only with that setting a crash of Mosquitto loses nothing it has acknowledged. The price: for each turn with a change,',
  'Mosquitto writes all messages that wait. It reached about 1,900 messages a second, and less the more messages wait.',
  'docs/mosquitto.md ("What a crash costs") names the one case that is left.',
];

function crashNote(direct: boolean): string[] {
  return [
    `A crash of Mosquitto loses the messages of the last ${autosaveSeconds} seconds, also acknowledged ones. docs/mosquitto.md`,
    `("What a crash costs") tells more.${direct ? '' : ' With --durable it loses none, and is slower.'}`,
  ];
}

function backSideSteps(level: SecurityLevel, direct: boolean): string[] {
  return [
    'Then, as the user of the services; start them again afterwards:',
    `  sallyport config set mqtt.broker.url unix:${backSideSocket}`,
    // Both would listen on the same port.
    direct ? '  sallyport config set mqtt.bind.enabled false' : `  sallyport secure ${level}`,
  ];
}

/** @throws Failure: what the level needs is not set, or does not fit together */
async function directListener(level: SecurityLevel, settings: Settings): Promise<DirectListener> {
  const [address, port] = [settings.get('mqtt.bind.address'), settings.get('mqtt.bind.port')];
  if (level === 'plain') {
    if (!/^127\.|^::1$/.test(address))
      throw new Failure(
        `At level plain everybody who reaches ${address} would use all topics.`,
        'Choose --level server or mutual, or set mqtt.bind.address to 127.0.0.1.',
      );
    return { level, address, port };
  }
  const files = await serverFiles(settings);
  if (level === 'server') return { level, address, port, files };
  return { level, address, port, files, clients: await clientFiles(settings) };
}

async function serverFiles(settings: Settings): Promise<NonNullable<DirectListener['files']>> {
  const [cert, key] = [required(settings, 'mqtt.bind.cert_file'), required(settings, 'mqtt.bind.key_file')];
  const [certFile, keyFile] = [await readPemFile(cert), await readPemFile(key)];
  if (isPair(certFile, keyFile)) return { cert, key };
  throw new Failure(
    `mqtt.bind.cert_file (${cert}) holds ${certFile.description} and mqtt.bind.key_file (${key}) ${keyFile.description}; they do not pair.`,
    'Set both to the files of one certificate. "sallyport doctor" finds files that are exchanged.',
  );
}

/** Mosquitto needs whole chains in one file: the root is in it. */
async function clientFiles(settings: Settings): Promise<NonNullable<DirectListener['clients']>> {
  const [ca, crl] = [required(settings, 'mqtt.bind.ca_path'), required(settings, 'pki.crl.file')];
  const { description, certificates } = await readPemFile(ca);
  const hasRoot = certificates.some((one) => verifySignedBy(one, one));
  if (!hasRoot || !certificates.every(({ isCa }) => isCa))
    throw new Failure(
      `mqtt.bind.ca_path (${ca}) holds ${description}; Mosquitto needs one file with the root of the CA of your devices, and nothing else.`,
      `Make it with "sallyport ca export --output FILE", and set mqtt.bind.ca_path to FILE.`,
    );
  const list = await readPemFile(crl);
  if (list.state === 'file') return { ca, crl };
  throw new Failure(
    `pki.crl.file (${crl}) holds ${list.description}; with such a file Mosquitto refuses every client.`,
    'Start the signer (pki-signer), which writes it.',
  );
}

const purposes = {
  'mqtt.bind.cert_file': 'the certificate of the broker',
  'mqtt.bind.key_file': 'the private key of the broker',
  'mqtt.bind.ca_path': 'the CA certificates of clients',
  'pki.crl.file': 'the revocation lists, which the signer keeps fresh',
} as const;

function required(settings: Settings, key: keyof typeof purposes): string {
  const path = settings.get(key);
  if (path !== undefined) return path;
  throw new Failure(`${key} is not set; it names ${purposes[key]}.`, `Set it: sallyport config set ${key} PATH.`);
}

/** Where this machine has the plug-ins; else where Debian for its processor has them. */
async function pluginFolder(version: MosquittoVersion): Promise<string> {
  const plugin = version === '2.0' ? 'mosquitto_dynamic_security.so' : 'mosquitto_acl_file.so';
  const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  const debian = `/usr/lib/${triplet}`;
  for (const folder of [debian, '/usr/lib', '/usr/lib64', '/usr/local/lib'])
    if (await exists(join(folder, plugin))) return folder;
  return debian;
}
