import { stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { Settings } from '@sallyport/config';
import { quoted } from '@sallyport/config';
import { makeFolder } from '@sallyport/files';
import type { CertificateFiles } from '@sallyport/identity';
import { type DeviceId, deviceId } from '@sallyport/protocol';
import type { Certificate } from '@sallyport/x509';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { asUser, foreignOwner } from '../file-owner.js';
import { nothingInPem, type PemFile, readPemFile } from '../site/pem-file.js';
import type { CloudChoice } from './cloud-choice.js';

/** Where the identity of this device lives. */
export interface DeviceFiles extends CertificateFiles {
  readonly csrPath: string;
  /** A certificate that waits for "tedge connect" to try it and put it in force. */
  readonly waitingCertPath: string;
}

/**
 * The paths from the settings `device.*`, or from `c8y.device.*` for that cloud. The CA certificates are beside the
 * certificate of the device. If a cloud has its own certificate, its CA certificates have their own file name.
 */
export function deviceFiles(
  settings: Settings,
  { cloud }: Pick<CloudChoice, 'cloud'> = { cloud: undefined },
): DeviceFiles {
  const table = cloud === 'c8y' ? 'c8y.device' : 'device';
  const certPath = settings.require(`${table}.cert_path`);
  const isOwn = certPath !== settings.require('device.cert_path');
  return {
    certPath,
    keyPath: settings.require(`${table}.key_path`),
    csrPath: settings.require(`${table}.csr_path`),
    caPath: isOwn ? `${certPath}.ca` : join(dirname(certPath), 'ca.pem'),
    waitingCertPath: waitingPath(certPath),
  };
}

/**
 * Makes sure the folders of these files exist. Those below the configuration directory are made, as an installation
 * would have done; any other must be there already.
 *
 * @throws Failure naming the folder that is missing
 */
export async function prepareFolders(settings: Settings, paths: readonly string[]): Promise<void> {
  for (const folder of new Set(paths.map((path) => dirname(path)))) {
    if (!relative(settings.directory, folder).startsWith('..')) await makeFolder(folder, 0o755);
    else if (!(await exists(folder)))
      throw new Failure(
        `The folder ${folder} does not exist.`,
        `Create it (mkdir -p ${quoted(folder)}) or change the setting that names it.`,
      );
  }
}

/** True when something is at the path. */
export async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/**
 * The id to use: what the command line says, else `DEVICE_ID` in the environment, as thin-edge.io has it, else the
 * settings of the cloud, else those of the device.
 *
 * @throws Failure when there is none, or the environment holds none that can be used
 */
export function requireDeviceId(
  { env }: Pick<CliContext, 'env'>,
  settings: Settings,
  { deviceId: given, cloud }: Pick<CloudChoice, 'cloud'> & { readonly deviceId?: DeviceId | undefined },
): DeviceId {
  const id = given ?? idInEnvironment(env) ?? settings.get(cloud === 'c8y' ? 'c8y.device.id' : 'device.id');
  if (id === undefined)
    throw new Failure('No device id is known.', 'Pass it (--device-id ID) or set it (tedge config set device.id ID).');
  return deviceId.parse(id);
}

function idInEnvironment({ DEVICE_ID: text = '' }: CliContext['env']): DeviceId | undefined {
  if (text === '') return undefined;
  const id = deviceId.safeParse(text);
  if (id.success) return id.data;
  throw new Failure(
    `DEVICE_ID is "${text}", which ${id.error.issues[0]?.message ?? 'is no device id'}.`,
    'Give the variable another value, or pass --device-id ID.',
  );
}

/** Where a certificate waits for "tedge connect" to try it and put it in force. */
export function waitingPath(certPath: string): string {
  return `${certPath}.new`;
}

/**
 * The leaf of a certificate file: the one the user named, or the one the settings name.
 *
 * @throws Failure: no such file, or no certificate in it
 */
export async function readLeaf(
  path: string,
  { certPath }: { readonly certPath?: string | undefined } = {},
): Promise<Certificate> {
  const isNamed = certPath !== undefined;
  const file = await readPemFile(path);
  const [leaf] = file.certificates;
  if (leaf !== undefined) return leaf;
  if (file.state === 'missing' && !isNamed)
    throw new Failure(
      `There is no certificate at ${path}.`,
      'Get one (tedge cert download), or make one (tedge cert create).',
    );
  const owner = file.state === 'unreadable' ? foreignOwner(path) : undefined;
  if (owner !== undefined)
    throw new Failure(faultOf(file), `It belongs to ${owner}. Run the command so: ${asUser(owner)}`);
  throw new Failure(faultOf(file), isNamed ? 'Give the path of a certificate in PEM.' : ownFileRemedy);
}

// It may be any file, so do not advise to remove it.
const ownFileRemedy =
  'Check the setting that names it. If the file is damaged, restore it, or move it away and enrol again.';

function faultOf({ path, state, description, damage }: PemFile): string {
  switch (state) {
    case 'missing':
      return `There is no file ${path}.`;
    case 'directory':
      return `${path} is a directory.`;
    case 'unreadable':
      return `${path} ${description.replace(/^nothing: it /, '')}.`;
    case 'file':
      if (damage !== undefined) return `${path} holds a certificate that cannot be read: ${damage}`;
      return `${path} holds no certificate in PEM${description === nothingInPem ? '' : `, but ${description}`}.`;
    default:
      return state satisfies never;
  }
}
