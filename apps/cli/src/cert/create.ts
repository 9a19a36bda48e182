import type { Settings } from '@sallyport/config';
import { removeIfPresent, writeFileOnce } from '@sallyport/files';
import { newPrivateKey, privateKeyPem } from '@sallyport/identity';
import type { DeviceId } from '@sallyport/protocol';
import { certificatesFromPem, pemFromDer, selfSignedDeviceCertificate } from '@sallyport/x509';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { profileOption } from '../cloud-profile.js';
import { Failure } from '../failure.js';
import { deviceIdArgument, globalOptions, openSettings, optionsOf } from '../options.js';
import { writeNotes } from '../output.js';
import { writeCertificateSummary } from './certificate-summary.js';
import { type CloudChoice, chosenCloud, cloudArgument } from './cloud-choice.js';
import { type DeviceFiles, deviceFiles, exists, prepareFolders, readLeaf, requireDeviceId } from './device-files.js';

const options = globalOptions.extend({ deviceId: z.custom<DeviceId>().optional() });

const createdNotes = [
  'Certificate created successfully',
  '    => before the device can be connected, the certificate has to be uploaded to the cloud',
  '',
];

// Clouds check the start date against their own clock.
const backdateMs = 86_400_000;

/** `cert create`: a key and a self-signed certificate, for clouds that trust it by upload. */
export function createCommand(context: CliContext, parent: Command): void {
  parent
    .command('create')
    .description('make a private key and a self-signed certificate for this device')
    .option(
      '--device-id <id>',
      'common name of the certificate (default: env DEVICE_ID, else setting device.id)',
      deviceIdArgument,
    )
    .addArgument(cloudArgument())
    .addOption(profileOption())
    .action(async (_cloud, _options, command: Command) => {
      const given = optionsOf(command, options);
      const choice = chosenCloud(context, command);
      const settings = await openSettings(context, given, choice);
      const files = deviceFiles(settings, choice);
      const deviceId = requireDeviceId(context, settings, { ...choice, deviceId: given.deviceId });
      await create(files, settings, { deviceId, now: context.now(), choice });
      writeNotes(context, createdNotes, given.json);
      const certificate = await readLeaf(files.certPath);
      writeCertificateSummary(context, { path: files.certPath, certificate }, { json: given.json, settings });
    });
}

async function create(
  files: DeviceFiles,
  settings: Settings,
  { deviceId, now, choice }: { deviceId: DeviceId; now: Date; choice: CloudChoice },
): Promise<void> {
  const { certPath, keyPath } = files;
  for (const path of [certPath, keyPath]) if (await exists(path)) throw alreadyThere(path, choice);
  await prepareFolders(settings, [certPath, keyPath]);
  const privateKey = await newPrivateKey();
  const lifeSeconds = settings.require('certificate.validity.requested_duration');
  const der = selfSignedDeviceCertificate({
    privateKey,
    commonName: deviceId,
    organization: settings.require('certificate.organization'),
    organizationalUnit: settings.require('certificate.organization_unit'),
    notBefore: new Date(now.getTime() - backdateMs),
    notAfter: new Date(now.getTime() + lifeSeconds * 1000),
  });
  const certPem = pemFromDer('CERTIFICATE', der);
  if (certificatesFromPem(certPem).length !== 1) throw new Error('the certificate just made cannot be read');
  if (!(await writeFileOnce(keyPath, privateKeyPem(privateKey), 0o400))) throw alreadyThere(keyPath, choice);
  if (await writeFileOnce(certPath, certPem, 0o444)) return;
  // Another process has written a certificate meanwhile, and our new key does not belong to it.
  await removeIfPresent(keyPath);
  throw alreadyThere(certPath, choice);
}

function alreadyThere(path: string, { cloud, profile }: CloudChoice): Failure {
  const words = ['tedge cert remove', cloud ?? [], profile === undefined ? [] : `--profile ${profile}`].flat();
  return new Failure(
    `${path} is there already; nothing was changed.`,
    `To make new ones, first remove certificate and key for good: ${words.join(' ')}`,
  );
}
