import { type ConnectorDraft, connectorRoutes, type DraftChange, type Finding } from '@sallyport/protocol';
import { writeJson, writeLines } from '../output.js';
import { type ConnectorCall, commandFor } from './connector-call.js';

/** Changes the draft of the user, and tells what is different in it now and how to put it in force. */
export async function editDraft(
  call: ConnectorCall,
  edit: (draft: ConnectorDraft) => Promise<ConnectorDraft>,
): Promise<void> {
  const before = await call.registry.call(connectorRoutes.showDraft, { params: call.params });
  const after = await edit(before);
  if (call.given.json) writeJson(call.context, after);
  else writeLines(call.context, editedLines(call, before, after));
}

function editedLines(call: ConnectorCall, before: ConnectorDraft, after: ConnectorDraft): string[] {
  if (after.changes.length === 0) return [nothingText(call)];
  const known = new Set(before.changes.map(keyOf));
  const told = new Set(before.findings.map(({ text }) => text));
  const findings = after.findings.filter(({ severity, text }) => severity === 'error' || !told.has(text));
  const news = after.changes.filter((change) => !known.has(keyOf(change)));
  const others = after.changes.length - news.length;
  return [
    news.length === 0 ? `Nothing new in the draft of "${call.params.name}".` : `Draft of "${call.params.name}":`,
    ...news.map(changeLine),
    ...(others === 0 ? [] : [`  and ${counted(others, 'earlier change')}: ${commandFor(call, 'connector diff')}`]),
    ...standingLines(call, { ...after, findings }),
    `Nothing of this is in force yet. To put it in force: ${commandFor(call, 'connector save')}`,
  ];
}

function keyOf({ path, before, after }: DraftChange): string {
  return JSON.stringify([path, before, after]);
}

/** The whole draft for people. */
export function draftLines(call: ConnectorCall, draft: ConnectorDraft): string[] {
  if (draft.changes.length === 0) return [nothingText(call), ...standingLines(call, draft)];
  return [
    `Draft of "${call.params.name}", begun on version ${draft.basedOn}:`,
    ...draft.changes.map(changeLine),
    ...standingLines(call, draft),
  ];
}

/** What is said of a draft without changes. */
export function nothingText({ params }: ConnectorCall): string {
  return `The draft of "${params.name}" changes nothing.`;
}

/** What stands against saving, and what is worth knowing before. */
function standingLines(call: ConnectorCall, { basedOn, current, findings }: ConnectorDraft): string[] {
  const outdated = `Version ${current} is in force: somebody saved after this draft was begun. First run: ${commandFor(call, 'connector rebase')}`;
  return [...(basedOn === current ? [] : [outdated]), ...findingLines(findings)];
}

/** One line for each finding, the worst first. */
export function findingLines(findings: readonly Finding[]): string[] {
  const order = ['error', 'warning', 'info'] as const;
  return order.flatMap((severity) =>
    findings.filter((finding) => finding.severity === severity).map(({ text }) => `${severity.padEnd(7)}  ${text}`),
  );
}

function changeLine({ before, after, text, devices = 0 }: DraftChange): string {
  const mark = before === undefined ? '+' : after === undefined ? '-' : '~';
  return `  ${mark} ${text}${devices === 0 ? '' : ` (concerns ${counted(devices, 'device')})`}`;
}

/** `1 device`, `2 devices`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
