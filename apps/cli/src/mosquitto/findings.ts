import { stat } from 'node:fs/promises';
import { quoted } from '@sallyport/config';
import { isAbsent, readOperatorFile } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import { derFromPem, hasEnded, parseCrl, verifySignedBy } from '@sallyport/x509';
import { error, type Finding, warning } from '../doctor/check.js';
import { isPair, type PemFile, readPemFile } from '../site/pem-file.js';
import { isOn, type MosquittoLine, type MosquittoListener, optionOf } from './configuration.js';

const fileOptions = ['cafile', 'certfile', 'keyfile'] as const;
type FileOption = (typeof fileOptions)[number];

/** A file that a line of the configuration names. */
interface NamedFile {
  readonly line: MosquittoLine;
  readonly pem: PemFile;
}

type NamedFiles = Readonly<Partial<Record<FileOption, NamedFile>>>;

/** What is wrong with a configuration of Mosquitto 2, each with the command that mends it. */
export async function mosquittoFindings(listeners: readonly MosquittoListener[], now: Date): Promise<Finding[]> {
  const [general] = listeners;
  const found = await Promise.all(listeners.map((listener) => listenerFindings(listener, now)));
  return [
    ...(general !== undefined && listeners.length > 1 ? misplacedOptions(general) : []),
    ...found.flat(),
    ...securityFindings(listeners),
    ...(await listFindings(listeners, now)),
    ...(await accessFileFindings(listeners)),
  ];
}

async function listenerFindings(listener: MosquittoListener, now: Date): Promise<Finding[]> {
  const files = await namedFiles(listener);
  const order = rightOrder(files);
  if (order !== undefined) return [permutation(files, order)];
  return [...halfPair(listener, files), ...(await pairFindings(files, now)), ...authorityFindings(files)];
}

async function namedFiles(listener: MosquittoListener): Promise<NamedFiles> {
  const found = await Promise.all(
    fileOptions.map(async (option) => {
      const line = optionOf(listener, option);
      return line === undefined ? [] : [[option, { line, pem: await readPemFile(line.value) }] as const];
    }),
  );
  return Object.fromEntries(found.flat());
}

/**
 * Which line should name which file, when the files that are named would do in another order.
 *
 * @returns undefined when the order is right, or when no order is
 */
function rightOrder(files: NamedFiles): Readonly<Partial<Record<FileOption, PemFile>>> | undefined {
  const named = fileOptions.flatMap((option) => (files[option] === undefined ? [] : [files[option].pem]));
  const key = named.find(({ privateKey }) => privateKey !== undefined);
  const cert = named.find((pem) => key !== undefined && isPair(pem, key));
  const ca = named.find((pem) => pem !== cert && isAuthority(pem));
  const wanted = { cafile: files.cafile === undefined ? undefined : ca, certfile: cert, keyfile: key };
  const isWhole = fileOptions.every((option) => (files[option] === undefined) === (wanted[option] === undefined));
  const isAsNamed = fileOptions.every((option) => files[option]?.pem === wanted[option]);
  return isWhole && !isAsNamed ? present(wanted) : undefined;
}

function present(wanted: Readonly<Record<FileOption, PemFile | undefined>>): Partial<Record<FileOption, PemFile>> {
  return Object.fromEntries(
    fileOptions.flatMap((option) => (wanted[option] === undefined ? [] : [[option, wanted[option]]])),
  );
}

function isAuthority({ certificates }: PemFile): boolean {
  return certificates.length > 0 && certificates.every(({ isCa }) => isCa);
}

function permutation(files: NamedFiles, order: Readonly<Partial<Record<FileOption, PemFile>>>): Finding {
  const named = fileOptions.flatMap((option) => (files[option] === undefined ? [] : [{ option, ...files[option] }]));
  const holds = named.map(({ option, pem }) => `${option} (${pem.path}) holds ${pem.description}`).join(', ');
  const right = fileOptions.flatMap((option) =>
    order[option] === undefined ? [] : [`${option} ${order[option].path}`],
  );
  const lines = named.map(({ option, line }) => ({ line, text: `${option} ${order[option]?.path ?? line.value}` }));
  return error(
    `${placeOf(named[0]?.line)}: the files are in each other's place: ${holds}. The right lines are: ${right.join(' | ')}`,
    rewrite(lines),
  );
}

function halfPair({ start }: MosquittoListener, { certfile, keyfile }: NamedFiles): Finding[] {
  const alone = certfile ?? keyfile;
  if (alone === undefined || (certfile !== undefined && keyfile !== undefined)) return [];
  const missing = certfile === undefined ? 'certfile' : 'keyfile';
  const what = `${placeOf(alone.line)}: ${alone.line.option} is set and ${missing} is not; a listener with TLS needs both.`;
  return [error(what, insertBelow(start ?? alone.line, `${missing} PATH`))];
}

async function pairFindings({ certfile, keyfile }: NamedFiles, now: Date): Promise<Finding[]> {
  if (certfile === undefined || keyfile === undefined) return [];
  const [cert, key] = [certfile.pem, keyfile.pem];
  if (!isPair(cert, key)) {
    const what = `${placeOf(certfile.line)}: certfile (${cert.path}) holds ${cert.description} and keyfile (${key.path}) ${key.description}; they do not pair.`;
    return [error(what, makeConfiguration)];
  }
  const [leaf] = cert.certificates;
  const ended =
    leaf !== undefined && hasEnded(leaf, now)
      ? [error(`${cert.path} (certfile) expired ${leaf.notAfter.toISOString()}.`, makeConfiguration)]
      : [];
  return [...ended, ...(await exposedKey(key.path))];
}

async function exposedKey(path: string): Promise<Finding[]> {
  const { mode } = await stat(path);
  if ((mode & 0o007) === 0) return [];
  return [error(`${path} (keyfile) can be read by every user of this machine.`, `chmod o= ${quoted(path)}`)];
}

/** A leaf as `cafile` starts without a word, and then every client is refused. */
function authorityFindings({ cafile, certfile }: NamedFiles): Finding[] {
  if (cafile === undefined || isAuthority(cafile.pem)) return [];
  const { line, pem } = cafile;
  const issuer = certfile?.pem.certificates.find(({ isCa }) => isCa);
  const hint = issuer === undefined ? '' : ` A CA certificate is in ${certfile?.pem.path}.`;
  const what = `${placeOf(line)}: cafile (${pem.path}) holds ${pem.description}, and not only CA certificates: clients cannot be verified with it.${hint}`;
  const root = pem.certificates.find((one) => one.isCa && verifySignedBy(one, one));
  return [error(what, root === undefined ? nameTheSiteCa(line) : makeConfiguration)];
}

/** Exports the CA of the site, and lets the line name it. */
function nameTheSiteCa(line: MosquittoLine): string {
  const path = '/etc/mosquitto/ca_certificates/sallyport.pem';
  return `sallyport ca export --output ${path} && ${rewrite([{ line, text: `cafile ${path}` }])}`;
}

/** Above the first `listener` these belong to a listener on port 1883 that the operator did not think of. */
function misplacedOptions({ lines }: MosquittoListener): Finding[] {
  const misplaced = lines.filter(({ option }) => listenerOptions.has(option));
  return misplaced.map((line) =>
    error(
      `${placeOf(line)}: ${line.option} stands above every "listener", so it belongs to the default listener and not to those below.`,
      `sed -i ${quoted(`${line.line}d`)} ${quoted(line.file)}  # and write "${line.option} ${line.value}" below its listener`,
    ),
  );
}

const listenerOptions: ReadonlySet<string> = new Set([
  ...fileOptions,
  'capath',
  'crlfile',
  'require_certificate',
  'use_identity_as_username',
]);

function securityFindings(listeners: readonly MosquittoListener[]): Finding[] {
  const [general] = listeners;
  const isPerListener = listeners.some((each) => isOn(optionOf(each, 'per_listener_settings')));
  return listeners.flatMap((listener) => {
    const scope = isPerListener ? [listener] : listeners;
    // Without per_listener_settings it is one setting for all listeners, and the last line wins.
    const anonymous = scope.map((each) => optionOf(each, 'allow_anonymous')).findLast((line) => line !== undefined);
    return [
      ...identityFindings(listener, anonymous),
      ...(listener === general ? [] : openFindings(listener, anonymous)),
      ...(listener === general ? [] : closedFindings(listener, scope)),
      ...revocationFindings(listener),
    ];
  });
}

function identityFindings(listener: MosquittoListener, anonymous: MosquittoLine | undefined): Finding[] {
  const [identity, required] = [
    optionOf(listener, 'use_identity_as_username'),
    optionOf(listener, 'require_certificate'),
  ];
  if (isOn(identity) && identity !== undefined && !isOn(required))
    return [
      error(
        `${placeOf(identity)}: use_identity_as_username has no effect without require_certificate.`,
        insertBelow(identity, 'require_certificate true'),
      ),
    ];
  const hasNames = isOn(identity) || isOn(optionOf(listener, 'use_subject_as_username')) || isOn(anonymous);
  if (!isOn(required) || required === undefined || hasNames) return [];
  return [
    error(
      `${placeOf(required)}: clients with a certificate are refused, because nothing gives them a user name and allow_anonymous is not on.`,
      insertBelow(required, 'use_identity_as_username true'),
    ),
  ];
}

function openFindings({ start, ...listener }: MosquittoListener, anonymous: MosquittoLine | undefined): Finding[] {
  const isRequired = isOn(optionOf({ start, ...listener }, 'require_certificate'));
  const [port = '', address = 'all addresses'] = start?.value.split(/\s+/) ?? [];
  // With TLS and without client certificates it is level server, where everybody may connect on purpose.
  const hasTls = optionOf({ start, ...listener }, 'certfile') !== undefined;
  if (start === undefined || !isOn(anonymous) || isRequired || hasTls || port === '0' || isLoopback(address)) return [];
  return [
    warning(
      `${placeOf(start)}: everybody who reaches port ${port} on ${address} may connect (allow_anonymous).`,
      rewrite([{ line: start, text: `listener ${port} 127.0.0.1` }]),
    ),
  ];
}

// A client may prove itself by any of these.
const proofs = ['password_file', 'plugin', 'global_plugin', 'auth_plugin', 'plugin_use', 'psk_file'] as const;

/** Since version 2 a listener is closed until something opens it. */
function closedFindings(listener: MosquittoListener, scope: readonly MosquittoListener[]): Finding[] {
  const { start } = listener;
  const opens = ['allow_anonymous', 'listener_allow_anonymous'] as const;
  const isOpen = opens.some((option) => scope.some((each) => isOn(optionOf(each, option))));
  const hasProof = proofs.some((option) => scope.some((each) => optionOf(each, option) !== undefined));
  if (start === undefined || isOpen || hasProof || isOn(optionOf(listener, 'require_certificate'))) return [];
  return [
    error(
      `${placeOf(start)}: every client is refused, because nothing says how it may prove itself: neither allow_anonymous nor require_certificate nor a password_file.`,
      insertBelow(start, 'allow_anonymous true'),
    ),
  ];
}

/** Whether only programs of this machine reach the address. */
export function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || address.startsWith('127.');
}

function revocationFindings(listener: MosquittoListener): Finding[] {
  const required = optionOf(listener, 'require_certificate');
  if (required === undefined || !isOn(required) || optionOf(listener, 'crlfile') !== undefined) return [];
  const what = `${placeOf(required)}: a revoked certificate is still accepted, because crlfile is not set.`;
  return [warning(what, makeConfiguration)];
}

/** With a list that is missing or has ended, Mosquitto refuses every client. */
async function listFindings(listeners: readonly MosquittoListener[], now: Date): Promise<Finding[]> {
  const lines = listeners.flatMap((listener) => optionOf(listener, 'crlfile') ?? []);
  const found = await Promise.all(
    lines.map(async (line) => {
      const reason = await listFault(line.value, now);
      if (reason === undefined) return [];
      const what = `${placeOf(line)}: crlfile (${line.value}) ${reason}, so every client with a certificate is refused.`;
      return [
        error(
          what,
          `sallyport config set pki.crl.file ${quoted(line.value)} && systemctl restart sallyport@pki-signer`,
        ),
      ];
    }),
  );
  return found.flat();
}

async function listFault(path: string, now: Date): Promise<string | undefined> {
  const reading = await readOperatorFile(path);
  if (reading.state !== 'file') return reading.fault;
  try {
    const lists = derFromPem(reading.text, 'X509 CRL').map((der) => parseCrl(der));
    const ended = lists.find(({ nextUpdate }) => nextUpdate !== undefined && nextUpdate <= now);
    if (ended?.nextUpdate !== undefined) return `holds a list that ended ${ended.nextUpdate.toISOString()}`;
    return lists.length === 0 ? 'holds no revocation list' : undefined;
  } catch (fault) {
    if (fault instanceof Problem) return 'holds a damaged revocation list';
    throw fault;
  }
}

/** Without access rules every client publishes and reads everything. */
async function accessFileFindings(listeners: readonly MosquittoListener[]): Promise<Finding[]> {
  const files = listeners.flatMap((listener) => {
    const line = optionOf(listener, 'acl_file') ?? optionOf(listener, 'plugin_opt_acl_file');
    return line === undefined ? [] : [line];
  });
  const required = listeners.map((each) => optionOf(each, 'require_certificate')).find((line) => isOn(line));
  if (files.length === 0 && required !== undefined)
    return [
      warning(
        `${placeOf(required)}: every client may use every topic, because acl_file is not set.`,
        makeConfiguration,
      ),
    ];
  const found = await Promise.all(files.map((line) => accessFileFinding(line)));
  return found.flat();
}

async function accessFileFinding(line: MosquittoLine): Promise<Finding[]> {
  try {
    const { mode } = await stat(line.value);
    if ((mode & 0o002) === 0) return [];
    return [
      error(
        `${line.value} (${line.option}) can be changed by every user of this machine.`,
        `chmod o= ${quoted(line.value)}`,
      ),
    ];
  } catch (fault) {
    if (!isAbsent(fault)) throw fault;
    return [
      error(`${placeOf(line)}: ${line.option} names ${line.value}, and there is no such file.`, makeConfiguration),
    ];
  }
}

const makeConfiguration = 'sallyport mqtt broker-config --level mutual --direct --output /etc/mosquitto/sallyport';

function placeOf(line: MosquittoLine | undefined): string {
  return line === undefined ? 'mosquitto.conf' : `${line.file}, line ${line.line}`;
}

/** A command that writes other text into these lines. */
function rewrite(lines: readonly { readonly line: MosquittoLine; readonly text: string }[]): string {
  const byFile = Map.groupBy(lines, ({ line: { file } }) => file);
  const commands = [...byFile].map(([file, changes]) => {
    const script = changes.map(({ line, text }) => `${line.line}c\\${text}`);
    return `sed -i ${script.map((each) => `-e ${quoted(each)}`).join(' ')} ${quoted(file)}`;
  });
  return commands.join(' && ');
}

function insertBelow({ file, line }: MosquittoLine, text: string): string {
  return `sed -i ${quoted(`${line}a\\${text}`)} ${quoted(file)}`;
}
