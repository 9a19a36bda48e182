import {
  type DeviceId,
  deviceCredentialRoutes,
  expectedCertificateRequest,
  type Fingerprint,
  fingerprint,
} from '@sallyport/protocol';
import { type Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { adminClientFor } from '../admin/admin-clients.js';
import { validRequest } from '../admin/valid-request.js';
import type { CliContext } from '../cli-context.js';
import { deviceIdArgument, globalOptions, openSettings, optionsOf } from '../options.js';
import { writeJson, writeLines } from '../output.js';

const options = globalOptions.extend({ reason: z.string().optional() });

/** `device accept | reactivate`: what a device of a connector proves itself with next. */
export function credentialCommands(context: CliContext, parent: Command): void {
  parent
    .command('accept')
    .description('accept the next certificate of a device, although its connector pins the present one')
    .argument('<device>', 'name of the device', deviceIdArgument)
    .argument('<fingerprint>', 'SHA-256 of the certificate, in hexadecimal', fingerprintArgument)
    .option('--reason <text>', 'why, for the audit log')
    .action((deviceId: DeviceId, certificate: Fingerprint, _options: unknown, command: Command) =>
      accept(context, { deviceId, certificate, command }),
    );
  parent
    .command('reactivate')
    .description('take the token or password of a device back, end its connections, and let it activate again')
    .argument('<device>', 'name of the device', deviceIdArgument)
    .action((deviceId: DeviceId, _options: unknown, command: Command) => reactivate(context, { deviceId, command }));
}

async function accept(
  context: CliContext,
  order: { readonly deviceId: DeviceId; readonly certificate: Fingerprint; readonly command: Command },
): Promise<void> {
  const { deviceId, certificate, command } = order;
  const given = optionsOf(command, options);
  const registry = await registryFor(context, given);
  const reason = given.reason === undefined ? {} : { reason: given.reason };
  const body = validRequest(expectedCertificateRequest, { fingerprint: certificate, ...reason });
  await registry.call(deviceCredentialRoutes.expectCertificate, { params: { id: deviceId }, body });
  if (given.json) writeJson(context, { deviceId, fingerprint: certificate });
  else writeLines(context, [`Device ${deviceId} may come with the certificate ${certificate}.`]);
}

async function reactivate(
  context: CliContext,
  { deviceId, command }: { readonly deviceId: DeviceId; readonly command: Command },
): Promise<void> {
  const given = optionsOf(command, globalOptions);
  const registry = await registryFor(context, given);
  await registry.call(deviceCredentialRoutes.reactivateDevice, { params: { id: deviceId } });
  if (given.json) writeJson(context, { deviceId });
  else writeLines(context, [`Device ${deviceId} may activate again.`]);
}

async function registryFor(context: CliContext, given: z.infer<typeof globalOptions>) {
  return adminClientFor('device-registry', await openSettings(context, given), { context, options: given });
}

/** As other programs write it, too: upper case, with colons. */
function fingerprintArgument(text: string): Fingerprint {
  const parsed = fingerprint.safeParse(text.replaceAll(':', '').toLowerCase());
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError('Give 64 hexadecimal digits: openssl x509 -in FILE -noout -fingerprint -sha256');
}
