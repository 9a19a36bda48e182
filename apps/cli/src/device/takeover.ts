import type { AdminClient } from '@sallyport/admin-client';
import {
  type AuthorityId,
  authorityId,
  type DeviceId,
  type ForeignAuthority,
  foreignAuthority,
  registryRoutes,
  type TakeoverRequest,
  takeoverRequest,
} from '@sallyport/protocol';
import { authorityIdOf, type Certificate } from '@sallyport/x509';
import type { Command } from 'commander';
import { z } from 'zod';
import { adminClientFor } from '../admin/admin-clients.js';
import { everyPage } from '../admin/pages.js';
import { validRequest } from '../admin/valid-request.js';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { absolutePath, deviceIdArgument, globalOptions, openSettings, optionsOf } from '../options.js';
import { writeJson, writeLines } from '../output.js';
import { readPemFile } from '../site/pem-file.js';

const options = globalOptions.extend({ from: z.string(), to: z.string(), yes: z.boolean().default(false) });

/** `device takeover`: gives the devices of a CA outside this site to another one, and shows first how many they are. */
export function takeoverCommand(context: CliContext, parent: Command): void {
  parent
    .command('takeover')
    .description('let a CA outside this site that has a new key take over the devices of the old one')
    .argument('[device]', 'only this device', deviceIdArgument)
    .requiredOption('--from <ca>', 'the old CA: its id ("device list"), or a file with its certificate')
    .requiredOption('--to <ca>', 'the new CA: its id, or a file with its certificate')
    .option('--yes', 'do it; without this option it is only counted')
    .action((deviceId: DeviceId | undefined, _options: unknown, command: Command) =>
      takeOver(context, deviceId, optionsOf(command, options)),
    );
}

interface Outcome {
  readonly devices: number;
  readonly fromName?: string | undefined;
  readonly toName: string;
}

async function takeOver(context: CliContext, deviceId: DeviceId | undefined, given: z.infer<typeof options>) {
  const order = {
    ...(await successor(context, given.to)),
    ...(deviceId === undefined ? {} : { deviceId }),
    mode: given.yes ? 'move' : 'count',
  } as const;
  const former = await formerNames(context, given.from);
  const registry = await adminClientFor('device-registry', await openSettings(context, given), {
    context,
    options: given,
  });
  const outcomes: Outcome[] = [];
  for (const from of former) outcomes.push(await throughEveryPage(registry, { ...order, from }));
  const devices = outcomes.reduce((sum, outcome) => sum + outcome.devices, 0);
  const fromName = outcomes.find((outcome) => outcome.fromName !== undefined)?.fromName ?? given.from;
  const toName = outcomes[0]?.toName ?? given.to;
  if (given.json) return writeJson(context, { devices, from: fromName, to: toName, done: given.yes });
  writeLines(context, sentences({ devices, fromName, toName }, given.yes));
}

function sentences(outcome: Outcome & { readonly fromName: string }, isDone: boolean): string[] {
  const { devices, fromName, toName } = outcome;
  const count = `${devices} ${devices === 1 ? 'device' : 'devices'} of ${fromName}`;
  if (isDone) return [`${count} handed over to ${toName}.`];
  const question = `${count} would be handed over to ${toName}. Nothing has been changed.`;
  return devices === 0 ? [question] : [question, 'To do it, run the same command with --yes.'];
}

async function throughEveryPage(registry: AdminClient, order: TakeoverRequest): Promise<Outcome> {
  const fetchPage = (cursor: string | undefined) => {
    const body = validRequest(takeoverRequest, { ...order, ...(cursor === undefined ? {} : { cursor }) });
    return registry.call(registryRoutes.takeOverDevices, { body });
  };
  let outcome: Outcome = { devices: 0, toName: '' };
  for await (const { devices, fromName, toName } of everyPage(fetchPage))
    outcome = { devices: outcome.devices + devices, fromName, toName };
  return outcome;
}

/** The names under which devices may be recorded: the CA, and in old records the fingerprint of its certificate. */
async function formerNames(context: CliContext, text: string): Promise<readonly ForeignAuthority[]> {
  const id = foreignAuthority.safeParse(text);
  if (id.success) return [id.data];
  const certificate = await certificateIn(context, text, '--from');
  return [authorityIdOf(certificate), certificate.fingerprint];
}

async function successor(
  context: CliContext,
  text: string,
): Promise<{ readonly to: AuthorityId; readonly toName?: string }> {
  const id = authorityId.safeParse(text);
  if (id.success) return { to: id.data };
  const certificate = await certificateIn(context, text, '--to');
  if (!certificate.isCa)
    throw new Failure(`The certificate in ${text} is not one of a CA.`, 'Name a file with the certificate of the CA.');
  return { to: authorityIdOf(certificate), toName: certificate.subject.text.slice(0, 256) || 'a CA without a name' };
}

async function certificateIn(context: CliContext, path: string, option: string): Promise<Certificate> {
  const { certificates, description } = await readPemFile(absolutePath(context, path));
  const [certificate, ...others] = certificates;
  if (certificate !== undefined && others.length === 0) return certificate;
  const found = others.length > 0 ? `${certificates.length} certificates` : description;
  throw new Failure(
    `${option}: "${path}" is no id of a CA, and as a file it holds ${found}.`,
    'Name an id as "device list --json" shows it, or a PEM file with one certificate, that of the CA.',
  );
}
