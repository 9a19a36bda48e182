import { type ConnectorSettingsChange, cidr, connectorRoutes, connectorSettings } from '@sallyport/protocol';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';
import { onOffArgument, schemaArguments } from '../argument.js';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { durationArgument } from '../options.js';
import { aboutConnector, type ConnectorCall, commandFor, connectorOptions, openConnector } from './connector-call.js';
import { editDraft } from './draft.js';

const { provisioning, pki } = connectorSettings.shape;
const provisioningOptions = connectorOptions.extend({
  self: z.boolean().optional(),
  auth: provisioning.shape.auth.optional(),
  pki: z.boolean().optional(),
  activation: z.number().optional(),
  allowNetwork: z.array(cidr).optional(),
  anyNetwork: z.boolean().default(false),
  generateIdentity: z.boolean().optional(),
});

/** `connector provisioning`: how a new device gets in. */
export function provisioningCommand(context: CliContext, parent: Command): void {
  aboutConnector(parent.command('provisioning'))
    .description('how a new device gets in (draft)')
    .addOption(onOff('--self [on|off]', 'devices that nobody registered may register themselves'))
    .addOption(new Option('--auth <kind>', 'what a new device shows').choices(provisioning.shape.auth.options))
    .addOption(onOff('--pki [on|off]', 'every device certificate must be issued by a Client CA'))
    .option('--activation <duration>', 'how long a device on the allow list may wait, such as 48h', durationArgument)
    .option('--allow-network <cidr>', 'let new devices come from this network only; can be repeated', networkArgument)
    .option('--any-network', 'let new devices come from anywhere again')
    .addOption(onOff('--generate-identity [on|off]', 'invent an identity for a device that presents none'))
    .action(async (_options: unknown, command: Command) => {
      const call = await openConnector(context, command, provisioningOptions);
      await changeSettings(call, provisioningChange(call.given), 'provisioning');
    });
}

function provisioningChange(given: z.infer<typeof provisioningOptions>): ConnectorSettingsChange {
  const { self, auth, activation, allowNetwork, anyNetwork, generateIdentity } = given;
  const change = {
    ...(self === undefined ? {} : { self }),
    ...(auth === undefined ? {} : { auth }),
    ...(activation === undefined ? {} : { activationHours: Math.ceil(activation / 3600) }),
    ...(allowNetwork === undefined ? {} : { allowedNetworks: allowNetwork }),
    ...(anyNetwork ? { allowedNetworks: [] } : {}),
    ...(generateIdentity === undefined ? {} : { generateIdentity }),
  };
  return {
    ...(Object.keys(change).length === 0 ? {} : { provisioning: change }),
    ...(given.pki === undefined ? {} : { pki: { enabled: given.pki } }),
  };
}

const pkiOptions = connectorOptions.extend({
  enabled: z.boolean().optional(),
  acceptSite: z.boolean().optional(),
  pinning: pki.shape.pinning.optional(),
  keepFormer: z.number().optional(),
  requireClientAuth: z.boolean().optional(),
  clockSkew: z.number().optional(),
});

/** `connector pki`: which certificates are good. */
export function pkiCommand(context: CliContext, parent: Command): void {
  aboutConnector(parent.command('pki'))
    .description('which certificates are good (draft)')
    .addOption(onOff('--enabled [on|off]', 'every device certificate must be issued by a Client CA'))
    .addOption(onOff('--accept-site [on|off]', "certificates of this site's own CA pass too"))
    .addOption(
      new Option(
        '--pinning <policy>',
        'when a known device shows another certificate: refuse it (pin), or take it',
      ).choices(pki.shape.pinning.options),
    )
    .option('--keep-former <duration>', 'how long the former certificate stays good, such as 30d', durationArgument)
    .addOption(onOff('--require-client-auth [on|off]', 'refuse certificates that are not marked for clients'))
    .option('--clock-skew <duration>', 'how far in the future a certificate may begin, such as 5m', durationArgument)
    .action(async (_options: unknown, command: Command) => {
      const call = await openConnector(context, command, pkiOptions);
      await changeSettings(call, pkiChange(call.given), 'pki');
    });
}

function pkiChange(given: z.infer<typeof pkiOptions>): ConnectorSettingsChange {
  const { enabled, acceptSite, pinning, keepFormer, requireClientAuth, clockSkew } = given;
  const change = {
    ...(enabled === undefined ? {} : { enabled }),
    ...(acceptSite === undefined ? {} : { acceptsSite: acceptSite }),
    ...(pinning === undefined ? {} : { pinning }),
    ...(keepFormer === undefined ? {} : { keepFormerDays: Math.ceil(keepFormer / 86_400) }),
    ...(requireClientAuth === undefined ? {} : { requireClientAuth }),
    ...(clockSkew === undefined ? {} : { notBeforeSkewSeconds: clockSkew }),
  };
  return Object.keys(change).length === 0 ? {} : { pki: change };
}

/**
 * Changes settings in the draft.
 *
 * @throws Failure: no option of the command says what to change
 */
export async function changeSettings(
  call: ConnectorCall,
  change: ConnectorSettingsChange,
  command: string,
): Promise<void> {
  if (Object.keys(change).length === 0)
    throw new Failure(
      'Nothing was said that could be changed.',
      `Name an option (sallyport connector ${command} --help), or look at what is set: ${commandFor(call, 'connector show')}`,
    );
  const { registry, params } = call;
  await editDraft(call, ({ etag }) =>
    registry.call(connectorRoutes.changeDraft, { params, ifMatch: etag, body: change }),
  );
}

/** An option that is on when it stands alone. */
export function onOff(flags: string, description: string): Option {
  return new Option(flags, description).preset('on').argParser(onOffArgument);
}

const networks = schemaArguments(cidr);

function networkArgument(text: string, earlier: z.infer<typeof cidr>[] | undefined): z.infer<typeof cidr>[] {
  if (cidr.safeParse(text).success) return networks(text, earlier);
  throw new InvalidArgumentError(`"${text}" is no network: write it as 10.1.0.0/16 or 2001:db8::/32.`);
}
