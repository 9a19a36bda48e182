import { type AuthorityId, type ClientCaChange, connectorRoutes, type NewClientCa } from '@sallyport/protocol';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context.js';
import { aboutConnector, type ConnectorCall, connectorOptions, openConnector } from '../connector/connector-call.js';
import { editDraft } from '../connector/draft.js';
import { Failure } from '../failure.js';
import { type CaOptions, caChange, caOptions, withCaOptions } from './ca-options.js';
import { certificateInput, withoutKey } from './certificate-input.js';
import { chosenCa, clientCaArgument } from './chosen-ca.js';

/** `client-ca add | set | remove`: which Client CAs the draft has. */
export function addingCommands(context: CliContext, parent: Command): void {
  withCaOptions(aboutConnector(parent.command('add')))
    .description('add a Client CA, or another certificate of one that is there (draft)')
    .argument('<file>', 'certificate of the CA, in PEM, DER or PKCS#7; "-" for standard input')
    .action(async (file: string, _options: unknown, command: Command) =>
      add(await openConnector(context, command, caOptions), file),
    );
  withCaOptions(aboutConnector(parent.command('set')))
    .description('change what is said of a Client CA (draft)')
    .argument('<ca>', clientCaArgument)
    .action(async (ca: string, _options: unknown, command: Command) =>
      set(await openConnector(context, command, caOptions), ca),
    );
  aboutConnector(parent.command('remove'))
    .description('take a Client CA away: its devices are refused, and their connections end (draft)')
    .argument('<ca>', clientCaArgument)
    .action(async (ca: string, _options: unknown, command: Command) =>
      remove(await openConnector(context, command, connectorOptions), ca),
    );
}

async function add(call: ConnectorCall<CaOptions>, file: string): Promise<void> {
  const { context, given, registry, params } = call;
  const bytes = withoutKey(context, await certificateInput(context, file), file);
  const change = { ...caChange(given, undefined), ...(await successionOf(call)) };
  const body: NewClientCa = { certificate: { base64: bytes.toString('base64') }, ...change };
  await editDraft(call, ({ etag }) => registry.call(connectorRoutes.addClientCa, { params, ifMatch: etag, body }));
}

async function set(call: ConnectorCall<CaOptions>, text: string): Promise<void> {
  const { given } = call;
  const { id, crl } = await chosenCa(call, text);
  const change = { ...caChange(given, crl), ...(await successionOf(call)) };
  if (Object.keys(change).length === 0)
    throw new Failure('Nothing was said that could be changed.', 'Name an option: sallyport client-ca set --help');
  await changeCa(call, id, change);
}

/** Changes a Client CA in the draft. */
export async function changeCa(call: ConnectorCall, id: AuthorityId, body: ClientCaChange): Promise<void> {
  const params = { ...call.params, id };
  await editDraft(call, ({ etag }) =>
    call.registry.call(connectorRoutes.changeClientCa, { params, ifMatch: etag, body }),
  );
}

async function successionOf(call: ConnectorCall<CaOptions>): Promise<ClientCaChange> {
  const { successorOf } = call.given;
  if (successorOf === undefined) return {};
  return { successorOf: successorOf === 'none' ? null : (await chosenCa(call, successorOf)).id };
}

async function remove(call: ConnectorCall, text: string): Promise<void> {
  const { id } = await chosenCa(call, text);
  const params = { ...call.params, id };
  await editDraft(call, ({ etag }) => call.registry.call(connectorRoutes.removeClientCa, { params, ifMatch: etag }));
}
