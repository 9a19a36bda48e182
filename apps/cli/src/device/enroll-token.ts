import { quoted } from '@sallyport/config';
import { type DeviceId, enrolmentTokenRequest, hostName, leafProfile, signerRoutes } from '@sallyport/protocol';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { adminClientFor } from '../admin/admin-clients.js';
import { validRequest } from '../admin/valid-request.js';
import type { CliContext } from '../cli-context.js';
import {
  deviceIdArgument,
  durationArgument,
  globalOptions,
  hostArgument,
  openSettings,
  optionsOf,
} from '../options.js';
import { writeJson, writeLines } from '../output.js';

const options = globalOptions.extend({
  reinstate: z.boolean().default(false),
  validity: z.number().optional(),
  profile: leafProfile.default('device'),
  host: z.array(hostName).default([]),
});

/** `device enroll-token`: writes a token, and nothing else, to stdout, so that it can be piped. */
export function enrollTokenCommand(context: CliContext, parent: Command): void {
  parent
    .command('enroll-token')
    .description('make a one-time token with which a device gets its first certificate')
    .argument('<device>', 'name of the device', deviceIdArgument)
    .option('--reinstate', 'bring a revoked device back')
    .option(
      '--validity <duration>',
      'how long the token can be used (default: setting pki.token.validity)',
      durationArgument,
    )
    .addOption(
      new Option('--profile <profile>', 'what the certificate is for').choices(leafProfile.options).default('device'),
    )
    .option('--host <name>', 'name or address the certificate may carry; can be repeated', hostArgument)
    .action((deviceId: DeviceId, _options: unknown, command: Command) =>
      makeToken(context, deviceId, optionsOf(command, options)),
    );
}

async function makeToken(context: CliContext, deviceId: DeviceId, given: z.infer<typeof options>): Promise<void> {
  const settings = await openSettings(context, given);
  const signer = await adminClientFor('pki-signer', settings, { context, options: given });
  const { reinstate, profile, validity, host: subjectAltNames } = given;
  const body = validRequest(enrolmentTokenRequest, {
    deviceId,
    profile,
    reinstate,
    subjectAltNames,
    ...(validity === undefined ? {} : { validitySeconds: validity }),
  });
  const made = await signer.call(signerRoutes.createEnrolmentToken, { body });
  if (given.json) return writeJson(context, made);
  writeLines(context, [made.token]);
  if (context.stderr.isTTY !== true) return;
  context.stderr.write(`For ${deviceId}, once, until ${made.expiresAt}. Next, on the device:\n`);
  context.stderr.write(`  ${nextCommand(context, deviceId, settings.require('pki.url'))}\n`);
}

function nextCommand({ programName }: CliContext, deviceId: DeviceId, url: string): string {
  return `${programName} cert download --device-id ${quoted(deviceId)} --one-time-password TOKEN --url ${quoted(url)}`;
}
