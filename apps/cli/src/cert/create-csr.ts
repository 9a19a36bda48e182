import { ensurePrivateKey } from '@sallyport/identity';
import type { DeviceId } from '@sallyport/protocol';
import { buildCertificateRequest, pemFromDer } from '@sallyport/x509';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { profileOption } from '../cloud-profile.js';
import { absolutePath, deviceIdArgument, globalOptions, openSettings, optionsOf } from '../options.js';
import { writeJson, writeNotes } from '../output.js';
import { writeOutputFile } from '../output-file.js';
import { chosenCloud, cloudArgument } from './cloud-choice.js';
import { deviceFiles, prepareFolders, requireDeviceId } from './device-files.js';

const options = globalOptions.extend({
  deviceId: z.custom<DeviceId>().optional(),
  outputPath: z.string().optional(),
});

/** `cert create-csr`: a signing request for the key of this device, which is made when there is none. */
export function createCsrCommand(context: CliContext, parent: Command): void {
  parent
    .command('create-csr')
    .description('write a certificate signing request for the key of this device')
    .option(
      '--device-id <id>',
      'common name to ask for (default: env DEVICE_ID, else that of the certificate, or setting device.id)',
      deviceIdArgument,
    )
    .option('--output-path <file>', 'where to write it (default: setting device.csr_path)')
    .addArgument(cloudArgument())
    .addOption(profileOption())
    .action(async (_cloud, _options, command: Command) => {
      const given = optionsOf(command, options);
      const choice = chosenCloud(context, command);
      const settings = await openSettings(context, given, choice);
      const { keyPath, csrPath } = deviceFiles(settings, choice);
      const commonName = requireDeviceId(context, settings, { ...choice, deviceId: given.deviceId });
      const path = given.outputPath === undefined ? csrPath : absolutePath(context, given.outputPath);
      await prepareFolders(settings, [keyPath, path]);
      const csr = buildCertificateRequest({
        privateKey: await ensurePrivateKey(keyPath),
        commonName,
        organization: settings.require('certificate.organization'),
        organizationalUnit: settings.require('certificate.organization_unit'),
      });
      await writeOutputFile(path, pemFromDer('CERTIFICATE REQUEST', csr), 0o444);
      if (given.json) writeJson(context, { csr: path, deviceId: commonName, key: keyPath });
      const done = 'Certificate Signing Request was successfully created.';
      writeNotes(context, [done, `    => for ${commonName}, at ${path}`], given.json);
    });
}
