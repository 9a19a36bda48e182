import { connectorRoutes, type IdentityPreview } from '@sallyport/protocol';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import {
  aboutConnector,
  type ConnectorCall,
  commandFor,
  connectorOptions,
  openConnector,
} from '../connector/connector-call.js';
import { findingLines } from '../connector/draft.js';
import { ExitStatus, Failure } from '../failure.js';
import { writeJson, writeLines } from '../output.js';
import { certificateInput, withoutKey } from './certificate-input.js';
import { chosenCa, clientCaArgument } from './chosen-ca.js';
import { caLines } from './looking.js';

const proveOptions = connectorOptions.extend({ certificate: z.string().optional() });
const crlOptions = connectorOptions.extend({ fetch: z.boolean().default(false) });
const previewOptions = connectorOptions.extend({ saved: z.boolean().default(false) });

/** `client-ca prove | crl | preview`: what is done with a Client CA besides the draft. */
export function provingCommands(context: CliContext, parent: Command): void {
  aboutConnector(parent.command('prove'))
    .description('prove that the key of a Client CA is held: first the commands for it, then the proof')
    .argument('<ca>', clientCaArgument)
    .option('--certificate <file>', 'the certificate that these commands made')
    .action(async (ca: string, _options: unknown, command: Command) =>
      prove(await openConnector(context, command, proveOptions), ca),
    );
  aboutConnector(parent.command('crl'))
    .description('take on a revocation list of a Client CA; it counts at once')
    .argument('<ca>', clientCaArgument)
    .argument('[file]', 'the list, in PEM or DER; "-" for standard input')
    .option('--fetch', 'fetch it now from the address that is set')
    .action(async (ca: string, file: string | undefined, _options: unknown, command: Command) =>
      updateCrl(await openConnector(context, command, crlOptions), ca, file),
    );
  aboutConnector(parent.command('preview'))
    .description('say which identity a device with this certificate would have, or why it would be refused')
    .argument('<file>', 'certificate of the device, with its intermediates if it has some')
    .option('--saved', 'by what is in force, not by the draft')
    .action(async (file: string, _options: unknown, command: Command) =>
      preview(await openConnector(context, command, previewOptions), file),
    );
}

async function prove(call: ConnectorCall<z.infer<typeof proveOptions>>, text: string): Promise<void> {
  const { context, given, registry } = call;
  const { id } = await chosenCa(call, text);
  const params = { ...call.params, id };
  if (given.certificate !== undefined) {
    const certificate = await pastedFile(context, given.certificate);
    const proven = await registry.call(connectorRoutes.provePossession, { params, body: { certificate } });
    return given.json ? writeJson(context, proven) : writeLines(context, caLines(proven));
  }
  const challenge = await registry.call(connectorRoutes.challengePossession, { params });
  if (given.json) return writeJson(context, challenge);
  writeLines(context, [
    `Who holds the key of the CA signs this name, until ${challenge.expiresAt}: ${challenge.commonName}`,
    'Run this where the key is. CA.pem and CA-key.pem stand for the files of the CA:',
    ...challenge.commands.map((line) => `  ${line}`),
    `Then show the certificate: ${commandFor(call, `client-ca prove ${id} --certificate FILE`)}`,
  ]);
}

async function updateCrl(
  call: ConnectorCall<z.infer<typeof crlOptions>>,
  text: string,
  file: string | undefined,
): Promise<void> {
  const { context, given, registry } = call;
  if ((file === undefined) !== given.fetch)
    throw new Failure('Where the list comes from was not said.', 'Name its file, or give --fetch, and not both.');
  const { id } = await chosenCa(call, text);
  const body = file === undefined ? ({ fetch: true } as const) : { crl: await pastedFile(context, file) };
  const updated = await registry.call(connectorRoutes.updateCrl, { params: { ...call.params, id }, body });
  if (given.json) writeJson(context, updated);
  else writeLines(context, caLines(updated));
}

async function pastedFile(context: CliContext, file: string) {
  const bytes = withoutKey(context, await certificateInput(context, file), file);
  return { base64: bytes.toString('base64') };
}

async function preview(call: ConnectorCall<z.infer<typeof previewOptions>>, file: string): Promise<void> {
  const { context, given, registry, params } = call;
  const certificate = await pastedFile(context, file);
  const body = { certificate, against: given.saved ? 'saved' : 'draft' } as const;
  const seen = await registry.call(connectorRoutes.previewIdentity, { params, body });
  if (given.json) writeJson(context, seen);
  else writeLines(context, previewLines(seen));
  if (seen.outcome === 'refused') throw new ExitStatus(1);
}

function previewLines(seen: IdentityPreview): string[] {
  const authority = seen.label === undefined ? [] : [`Client CA: ${seen.label} (${seen.clientCa})`];
  if (seen.outcome === 'accepted') return [`Identity: ${seen.identity}`, ...authority, ...findingLines(seen.findings)];
  return [`Refused: ${seen.reason}. ${seen.text}`, seen.remedy, ...authority, ...findingLines(seen.findings)];
}
