import { type ConnectorDraft, connectorRoutes, type SavedConnector } from '@sallyport/protocol';
import type { Command } from 'commander';
import { z } from 'zod';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { askAtTerminal } from '../hidden-line.js';
import { writeJson, writeLines } from '../output.js';
import { aboutConnector, type ConnectorCall, commandFor, connectorOptions, openConnector } from './connector-call.js';
import { counted, draftLines } from './draft.js';

/** `connector diff | save | discard | rebase`: what becomes of a draft. */
export function savingCommands(context: CliContext, parent: Command): void {
  aboutConnector(parent.command('diff'))
    .description('show the draft: every change that is not in force yet')
    .action(async (_options: unknown, command: Command) =>
      showDraft(await openConnector(context, command, connectorOptions)),
    );
  aboutConnector(parent.command('save'))
    .description('put the draft in force, all of it at once')
    .option('--yes', 'do not ask, also when devices are concerned')
    .action(async (_options: unknown, command: Command) => save(await openConnector(context, command, saveOptions)));
  aboutConnector(parent.command('discard'))
    .description('forget the draft')
    .action(async (_options: unknown, command: Command) =>
      discard(await openConnector(context, command, connectorOptions)),
    );
  aboutConnector(parent.command('rebase'))
    .description('put the draft onto the version that somebody else has saved meanwhile')
    .action(async (_options: unknown, command: Command) =>
      rebase(await openConnector(context, command, connectorOptions)),
    );
}

const saveOptions = connectorOptions.extend({ yes: z.boolean().default(false) });

async function showDraft(call: ConnectorCall): Promise<void> {
  report(call, await call.registry.call(connectorRoutes.showDraft, { params: call.params }));
}

function report(call: ConnectorCall, draft: ConnectorDraft): void {
  if (call.given.json) writeJson(call.context, draft);
  else writeLines(call.context, draftLines(call, draft));
}

async function save(call: ConnectorCall<z.infer<typeof saveOptions>>): Promise<void> {
  const { context, given, registry, params } = call;
  const draft = await registry.call(connectorRoutes.showDraft, { params });
  if (draft.changes.length === 0) return report(call, draft);
  if (!given.json) writeLines(context, draftLines(call, draft));
  if (!given.yes) await confirm(call, draft);
  const saved = await registry.call(connectorRoutes.saveDraft, { params, ifMatch: draft.etag });
  if (given.json) writeJson(context, saved);
  else writeLines(context, savedLines(saved).map(context.typed));
}

/** Asks before devices lose something; a draft that concerns no device is saved without a question. */
async function confirm(call: ConnectorCall, { changes }: ConnectorDraft): Promise<void> {
  const concerned = Math.max(0, ...changes.map(({ devices = 0 }) => devices));
  if (concerned === 0) return;
  const remedy = `To save it: ${commandFor(call, 'connector save --yes')}`;
  const what = `Nothing has been saved: the draft concerns ${counted(concerned, 'device')}.`;
  if (call.context.stdin.isTTY !== true) throw new Failure(what, remedy);
  const question = { what: `this concerns ${counted(concerned, 'device')}; type "yes" to save`, isHidden: false };
  const [answer] = await askAtTerminal(call.context, [question], remedy);
  if (answer !== 'yes') throw new Failure(what, remedy);
}

function savedLines({ document: { name, version }, followed: { listeners, late } }: SavedConnector): string[] {
  const inForce = `Version ${version} of "${name}" is in force.`;
  if (late > 0)
    return [
      inForce,
      `Warning: ${late} of ${counted(listeners + late, 'listener')} did not follow within 5 s, and may go on with the former version. Look at them: sallyport status`,
    ];
  return listeners > 0 ? [inForce] : [inForce, 'No connector runs at the moment; it begins with this version.'];
}

async function discard({ context, given, registry, params }: ConnectorCall): Promise<void> {
  const { changes, etag } = await registry.call(connectorRoutes.showDraft, { params });
  await registry.call(connectorRoutes.discardDraft, { params, ifMatch: etag });
  if (given.json) return writeJson(context, { discarded: changes });
  const forgotten = `${counted(changes.length, 'change')} of "${params.name}" forgotten.`;
  writeLines(context, [changes.length === 0 ? `There was nothing in the draft of "${params.name}".` : forgotten]);
}

async function rebase(call: ConnectorCall): Promise<void> {
  const { registry, params } = call;
  const { etag } = await registry.call(connectorRoutes.showDraft, { params });
  report(call, await registry.call(connectorRoutes.rebaseDraft, { params, ifMatch: etag }));
}
