import { mkdir, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { Settings } from '@sallyport/config';
import { type CertificateFiles, readTextIfPresent } from '@sallyport/identity';
import { type DeviceId, deviceId, Problem } from '@sallyport/protocol';
import { type Certificate, certificatesFromPem } from '@sallyport/x509';
import { Failure } from '../failure.js';
import { quoted } from '../shell-word.js';
import type { CloudChoice } from './cloud-choice.js';

/** Where the identity of this device lives. */
export interface DeviceFiles extends CertificateFiles {
  readonly csrPath: string;
  /** A certificate that waits for "tedge connect" to try it and put it in force. */
  readonly waitingCertPath: string;
}

/**
 * The paths the settings `device.*` say, or `c8y.device.*` for that cloud. The CA certificates lie beside the device's;
 * those of a cloud that has a certificate of its own have a name of their own too.
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
    waitingCertPath: `${certPath}.new`,
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
    if (!relative(settings.directory, folder).startsWith('..')) await mkdir(folder, { recursive: true, mode: 0o755 });
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
 * The id to use: what the command line says, else the settings of the cloud, else those of the device.
 *
 * @throws Failure when there is none
 */
export function requireDeviceId(
  given: DeviceId | undefined,
  settings: Settings,
  { cloud }: Pick<CloudChoice, 'cloud'>,
): DeviceId {
  const id = given ?? settings.get(cloud === 'c8y' ? 'c8y.device.id' : 'device.id');
  if (id === undefined)
    throw new Failure('No device id is known.', 'Pass it (--device-id ID) or set it (tedge config set device.id ID).');
  return deviceId.parse(id);
}

/**
 * The leaf of a certificate file.
 *
 * @throws Failure: no such file, or no certificate in it
 */
export async function readLeaf(path: string): Promise<Certificate> {
  const pem = await readTextIfPresent(path);
  if (pem === undefined)
    throw new Failure(
      `There is no certificate at ${path}.`,
      'Get one with "cert download", or make one with "cert create".',
    );
  const [leaf] = certificatesIn(path, pem);
  if (leaf === undefined) throw new Failure(`${path} holds no certificate in PEM.`, 'Remove the file and enrol again.');
  return leaf;
}

function certificatesIn(path: string, pem: string): Certificate[] {
  try {
    return certificatesFromPem(pem);
  } catch (cause) {
    if (!(cause instanceof Problem)) throw cause;
    throw new Failure(
      `${path} holds a certificate that cannot be read: ${cause.message}`,
      'Remove the file and enrol again.',
      { cause },
    );
  }
}
