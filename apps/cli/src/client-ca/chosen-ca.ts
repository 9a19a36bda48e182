import { type AuthorityId, authorityId, type ClientCa, connectorRoutes } from '@sallyport/protocol';
import { authorityIdOf } from '@sallyport/x509';
import { type ConnectorCall, commandFor } from '../connector/connector-call.js';
import { Failure } from '../failure.js';
import { absolutePath } from '../options.js';
import { readPemFile } from '../site/pem-file.js';

/** How help texts describe the argument of `chosenCa`. */
export const clientCaArgument =
  'its label, its id or the beginning of it ("client-ca list"), or a file with its certificate';

/** Every Client CA that is in force or in the draft of the user. */
export async function knownClientCas({ registry, params }: ConnectorCall): Promise<ClientCa[]> {
  const draft = await registry.call(connectorRoutes.showDraft, { params });
  const inForce = await registry.call(connectorRoutes.showConnector, { params });
  const drafted = draft.document.clientCas;
  const removed = inForce.document.clientCas.filter(({ id }) => drafted.every((known) => known.id !== id));
  return [...drafted, ...removed];
}

/**
 * The Client CA that the user means.
 *
 * @param text see `clientCaArgument`
 * @throws Failure: it is none of this connector, or could be several
 */
export async function chosenCa(call: ConnectorCall, text: string): Promise<ClientCa> {
  const known = await knownClientCas(call);
  const byId = known.filter(({ id }) => isBeginningOf(id, text));
  const byLabel = known.filter(({ label }) => label === text);
  const candidates = byId.length > 0 ? byId : byLabel;
  const [found, ...others] = candidates.length > 0 ? candidates : await ofFile(call, text, known);
  const remedy = `To see the Client CAs: ${commandFor(call, 'client-ca list')}`;
  if (found === undefined) throw new Failure(`"${text}" is no Client CA of connector "${call.params.name}".`, remedy);
  if (others.length > 0) throw new Failure(`"${text}" stands for ${others.length + 1} Client CAs.`, remedy);
  return found;
}

const shortestBeginning = 'ca:'.length + 4;

function isBeginningOf(id: AuthorityId, text: string): boolean {
  return text.startsWith('ca:') && text.length >= shortestBeginning && id.startsWith(text);
}

async function ofFile({ context }: ConnectorCall, path: string, known: readonly ClientCa[]): Promise<ClientCa[]> {
  if (authorityId.safeParse(path).success) return [];
  const { certificates } = await readPemFile(absolutePath(context, path));
  const ids = new Set(certificates.filter(({ isCa }) => isCa).map(authorityIdOf));
  return known.filter(({ id }) => ids.has(id));
}
