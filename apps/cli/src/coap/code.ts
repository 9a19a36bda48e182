import {
  type AuthorizationCode,
  authorizationCodeRequest,
  coapCodeRoutes,
  type OcfUuid,
  ocfDeviceId,
} from '@sallyport/protocol';
import type { Command } from 'commander';
import { z } from 'zod';
import { validRequest } from '../admin/valid-request.js';
import type { CliContext } from '../cli-context.js';
import { globalOptions, ocfUuidArgument } from '../options.js';
import { writeJson, writeLines, writeNotes } from '../output.js';
import { openGateway } from './gateway-call.js';

const options = globalOptions.extend({ device: z.custom<OcfUuid>(), owner: z.string().optional() });

/** `coap code`: with it a device signs up at the provider of this site. */
export function codeCommand(context: CliContext, parent: Command): void {
  parent
    .command('code')
    .description('make a code with which a device signs up, once and soon')
    .requiredOption('--device <uuid>', 'UUID of the device', ocfUuidArgument)
    .option('--owner <name>', 'who owns the device after that (default: site)')
    .action(async (_options: unknown, command: Command) => {
      const { given, gateway } = await openGateway(context, command, options);
      const body = validRequest(authorizationCodeRequest, given.owner === undefined ? {} : { owner: given.owner });
      const params = { id: ocfDeviceId(given.device) };
      const code = await gateway.call(coapCodeRoutes.createCode, { params, body });
      if (given.json) writeJson(context, code);
      else writeCode(context, code);
    });
}

/** The code alone on stdout, for scripts; what to do with it for people. */
function writeCode(context: CliContext, { deviceId, owner, code, provider, expiresAt }: AuthorizationCode): void {
  writeLines(context, [code]);
  if (context.stderr.isTTY !== true) return;
  const notes = [
    `With this code device ${deviceId} signs up until ${expiresAt}, once. "${owner}" owns it then.`,
    `The device sends it as "accesstoken", with "authprovider": "${provider}".`,
  ];
  writeNotes(context, notes, false);
}
