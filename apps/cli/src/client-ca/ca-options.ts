import { type ClientCaChange, clientCa, clientCaChange, identityNaming } from '@sallyport/protocol';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';
import { none, orNull, removableArgument, removableNumberArgument, schemaArgument } from '../argument.js';
import { connectorOptions } from '../connector/connector-call.js';
import { Failure } from '../failure.js';

const { label, approval, crl, namespace, quota } = clientCa.shape;
const { mode: crlMode, url: crlUrl } = crl.shape;
const [, byTemplate, byPattern] = identityNaming.options;

/** What may be said of a Client CA, as options. */
export const caOptions = connectorOptions.extend({
  label: label.optional(),
  approval: approval.optional(),
  nameByCn: z.boolean().default(false),
  nameTemplate: z.string().optional(),
  namePattern: z.string().optional(),
  namespace: z.string().optional(),
  quota: z.union([z.number(), z.literal(none)]).optional(),
  existingUntil: z.string().optional(),
  crl: crlMode.optional(),
  crlUrl: z.string().optional(),
  successorOf: z.string().optional(),
});
export type CaOptions = z.infer<typeof caOptions>;

/** Adds these options to a command. */
export function withCaOptions(command: Command): Command {
  return command
    .option('--label <text>', 'name for people', schemaArgument(label))
    .addOption(
      new Option('--approval <how>', 'a new device gets in at once, or waits for an administrator').choices(
        approval.options,
      ),
    )
    .option('--name-by-cn', 'the identity of a device is the CN of its certificate')
    .option(
      '--name-template <text>',
      'it is a text with {cn}, {o}, {ou}, {serialNumber} or {dns} of the certificate',
      schemaArgument(byTemplate.shape.template),
    )
    .option(
      '--name-pattern <regex>',
      'it is the one group of this pattern, which the whole CN must match',
      schemaArgument(byPattern.shape.pattern),
    )
    .option('--namespace <prefix>', 'what every identity begins with, or none', removableArgument(namespace.unwrap()))
    .option('--quota <devices>', 'most devices, or none', removableNumberArgument(quota.unwrap()))
    .option('--existing-until <date>', 'known devices pass until then although the CA has ended, or none', dateArgument)
    .addOption(
      new Option(
        '--crl <mode>',
        'ask a revocation list; without a good one let devices in (soft) or not (hard)',
      ).choices(crlMode.options),
    )
    .option('--crl-url <url>', 'fetch the revocation list there, or none', removableArgument(crlUrl.unwrap()))
    .option('--successor-of <ca>', 'the Client CA it replaces: it may take over the devices of that one');
}

/**
 * What the options change.
 *
 * @param presentCrl what is set for the Client CA now
 * @throws Failure: they contradict each other
 */
export function caChange(given: CaOptions, presentCrl: ClientCaChange['crl']): ClientCaChange {
  const { label, approval, namespace, quota, existingUntil } = given;
  const naming = namingOf(given);
  const crl = crlOf(given, presentCrl);
  return clientCaChange.parse({
    ...(label === undefined ? {} : { label }),
    ...(approval === undefined ? {} : { approval }),
    ...(naming === undefined ? {} : { naming }),
    ...(namespace === undefined ? {} : { namespace: orNull(namespace) }),
    ...(quota === undefined ? {} : { quota: orNull(quota) }),
    ...(existingUntil === undefined ? {} : { existingUntil: orNull(existingUntil) }),
    ...(crl === undefined ? {} : { crl }),
  });
}

function namingOf({ nameByCn, nameTemplate, namePattern }: CaOptions): ClientCaChange['naming'] {
  const ways = [
    ...(nameByCn ? [{ by: 'cn' } as const] : []),
    ...(nameTemplate === undefined ? [] : [{ by: 'template', template: nameTemplate } as const]),
    ...(namePattern === undefined ? [] : [{ by: 'regex', pattern: namePattern } as const]),
  ];
  if (ways.length < 2) return ways[0];
  throw new Failure(
    'There can be one way to name devices.',
    'Give one of --name-by-cn, --name-template and --name-pattern.',
  );
}

function crlOf({ crl, crlUrl }: CaOptions, present: ClientCaChange['crl']): ClientCaChange['crl'] {
  if (crl === undefined && crlUrl === undefined) return undefined;
  const url = crlUrl ?? present?.url;
  const presentMode = present?.mode ?? 'off';
  // Who names an address wants the list to be asked.
  const isNew = crlUrl !== undefined && crlUrl !== none && presentMode === 'off';
  return { mode: crl ?? (isNew ? 'soft' : presentMode), ...(url === undefined || url === none ? {} : { url }) };
}

function dateArgument(text: string): string {
  if (text === none) return none;
  const isDate = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2})?Z)?$/.test(text);
  const date = new Date(text);
  if (isDate && !Number.isNaN(date.getTime())) return date.toISOString();
  throw new InvalidArgumentError(`"${text}" is no date: write it as 2027-01-31 or 2027-01-31T12:00Z.`);
}
