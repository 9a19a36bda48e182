import { hostname } from 'node:os';
import { quoted, type Settings } from '@sallyport/config';
import {
  type DeviceId,
  type EnrolmentTokenResponse,
  enrolmentTokenRequest,
  hostName,
  leafProfile,
  signerRoutes,
} from '@sallyport/protocol';
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
import { writeJson, writeLines, writeNotes } from '../output.js';
import { refuseUselessToken } from './enrolment-obstacle.js';

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
  // The address of a remote admin API is that of the signer.
  if (given.adminUrl === undefined && profile !== 'service') {
    const registry = await adminClientFor('device-registry', settings, { context, options: given });
    await refuseUselessToken(registry, { deviceId, reinstate });
  }
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
  // A script gets the token and nothing else, and it is not shown besides.
  if (context.stdout.isTTY !== true) return;
  writeNotes(context, nextSteps(context, made, settings), false);
}

function nextSteps(
  { programName }: CliContext,
  { deviceId, token, expiresAt }: EnrolmentTokenResponse,
  settings: Settings,
): string[] {
  const url = addressForDevices(settings);
  const words = ['cert', 'download', '--device-id', deviceId, '--one-time-password', token, '--url', url];
  return [
    `For ${deviceId}, once, until ${expiresAt}. Next, on the device:`,
    `  ${programName} ${words.map(quoted).join(' ')}`,
    ...(isLoopback(new URL(url).hostname)
      ? ['Only this machine reaches that address. For others set pki.bind.address, and pki.url to what they can reach.']
      : []),
  ];
}

/** Where devices reach the signer: what is set, or else what its listener and its certificate say. */
function addressForDevices(settings: Settings): string {
  const url = settings.require('pki.url');
  const bound = settings.require('pki.bind.address');
  if (settings.source('pki.url') !== 'default' || isLoopback(bound)) return url;
  const [name] = settings.require('pki.hostnames');
  const isEveryAddress = bound === '0.0.0.0' || bound === '::';
  const host = name ?? (isEveryAddress ? hostname() : bound);
  return `https://${host.includes(':') ? `[${host}]` : host}:${new URL(url).port || 443}`;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.startsWith('127.') || host === '::1' || host === '[::1]';
}
