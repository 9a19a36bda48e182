import { type ClientCa, type ClientCaDescription, type CrlDescription, connectorRoutes } from '@sallyport/protocol';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import {
  aboutConnector,
  type ConnectorCall,
  commandFor,
  connectorOptions,
  openConnector,
} from '../connector/connector-call.js';
import { findingLines } from '../connector/draft.js';
import { labelledLines, tableLines, writeJson, writeLines } from '../output.js';
import { chosenCa, clientCaArgument } from './chosen-ca.js';
import { clientCaTable, loginText, newDevicesText } from './client-ca-table.js';
import { devicesText } from './levers.js';

/** `client-ca list | show`: what is in force and what the draft makes of it. */
export function lookingCommands(context: CliContext, parent: Command): void {
  aboutConnector(parent.command('list'))
    .description('list the Client CAs: those in force, and those of the draft')
    .action(async (_options: unknown, command: Command) =>
      list(await openConnector(context, command, connectorOptions)),
    );
  aboutConnector(parent.command('show'))
    .description('show a Client CA: its devices, its rules, its revocation list')
    .argument('<ca>', clientCaArgument)
    .action(async (ca: string, _options: unknown, command: Command) =>
      show(await openConnector(context, command, connectorOptions), ca),
    );
}

async function list(call: ConnectorCall): Promise<void> {
  const { context, given, registry, params } = call;
  const [inForce, draft] = [
    await registry.call(connectorRoutes.showConnector, { params }),
    await registry.call(connectorRoutes.showDraft, { params }),
  ];
  const saved = inForce.document.clientCas;
  const drafted = draft.document.clientCas;
  if (given.json) return writeJson(context, { inForce: saved, draft: drafted });
  const hasDraft = JSON.stringify(saved) !== JSON.stringify(drafted);
  writeLines(context, [
    ...(saved.length === 0 ? ['No Client CA is in force.'] : clientCaTable(saved, context.now())),
    ...(hasDraft ? ['', 'With the draft, which is not in force yet:', ...draftedTable(call, drafted)] : []),
    ...(saved.length + drafted.length === 0 ? [`To add one: ${commandFor(call, 'client-ca add FILE')}`] : []),
    ...(hasDraft ? ['', `To put the draft in force: ${commandFor(call, 'connector save')}`] : []),
  ]);
}

function draftedTable({ context }: ConnectorCall, drafted: readonly ClientCa[]): string[] {
  return drafted.length === 0 ? ['No Client CA.'] : clientCaTable(drafted, context.now());
}

async function show(call: ConnectorCall, text: string): Promise<void> {
  const { id } = await chosenCa(call, text);
  const params = { ...call.params, id };
  const description = await call.registry.call(connectorRoutes.showClientCa, { params });
  if (call.given.json) writeJson(call.context, description);
  else writeLines(call.context, caLines(description));
}

/** A Client CA for people. */
export function caLines({ clientCa, inForce, devices, crl, crlFault, findings }: ClientCaDescription): string[] {
  return [
    ...labelledLines([
      ['Client CA', clientCa.id],
      ['Label', clientCa.label],
      ['In force', inForce ? 'yes' : 'no, it is in your draft only'],
      ['New devices', newDevicesText(clientCa)],
      ['Logins', loginText(clientCa)],
      ...ruleFields(clientCa),
      ['Revocation list', crlText(clientCa, crl, crlFault)],
      ['Proof', proofText(clientCa)],
    ]),
    devicesText(clientCa.label, devices),
    '',
    ...tableLines(
      ['FROM', 'UNTIL', 'FINGERPRINT', 'SUBJECT'],
      clientCa.certificates.map(({ notBefore, notAfter, fingerprint, subject }) => [
        notBefore,
        notAfter,
        fingerprint,
        subject,
      ]),
    ),
    ...(findings.length === 0 ? [] : ['', ...findingLines(findings)]),
  ];
}

function ruleFields({ naming, namespace, quota, existingUntil, successorOf }: ClientCa): (readonly [string, string])[] {
  return [
    ['Identity', namingText(naming)],
    ...(namespace === undefined ? [] : [['Namespace', `begins with "${namespace}"`] as const]),
    ...(quota === undefined ? [] : [['Most devices', String(quota)] as const]),
    ...(existingUntil === undefined ? [] : [['Known devices until', existingUntil] as const]),
    ...(successorOf === undefined ? [] : [['Successor of', successorOf] as const]),
  ];
}

function namingText(naming: ClientCa['naming']): string {
  switch (naming.by) {
    case 'cn':
      return 'the CN of the certificate';
    case 'template':
      return `the template ${naming.template}`;
    case 'regex':
      return `the group of ${naming.pattern} in the CN`;
    default:
      return naming satisfies never;
  }
}

function crlText(
  { crl: { mode, url } }: ClientCa,
  crl: CrlDescription | undefined,
  fault: ClientCaDescription['crlFault'],
): string {
  if (mode === 'off') return 'not asked';
  const origin = url === undefined ? 'uploaded' : `from ${url}`;
  const state = crl === undefined ? 'none there yet' : `${crl.revoked} revoked, of ${crl.thisUpdate}`;
  const until = crl?.nextUpdate === undefined ? '' : `, good until ${crl.nextUpdate}`;
  return `${mode}, ${origin}: ${state}${until}${fault === undefined ? '' : ` (last fetch: ${fault.text})`}`;
}

function proofText({ proof }: ClientCa): string {
  if (proof.by === 'possession') return `its key was shown to be held, ${proof.at}`;
  return `${proof.actor} vouches for it, ${proof.at}`;
}
