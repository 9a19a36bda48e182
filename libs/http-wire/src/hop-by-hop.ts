import type { Fields } from './fields.js';

// RFC 9110 §7.6.1, and what describes only the framing of this one connection (RFC 9112 §6), which its writer adds anew.
const ofConnection = new Set([
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'content-length',
  'expect',
]);

/**
 * The fields that an intermediary passes on: without those of the connection, those that `Connection` names, `Proxy-*`,
 * and the framing.
 *
 * @param dropped further names to leave out, in lower case
 * @returns names and values by turns, unchanged and in their order
 * @see RFC 9110 §7.6.1
 */
export function endToEndFields({ raw }: Fields, dropped: ReadonlySet<string> = noNames): string[] {
  const named = namesInConnection(raw);
  const kept: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name = '', value = ''] = [raw[at], raw[at + 1]];
    const lower = name.toLowerCase();
    if (ofConnection.has(lower) || lower.startsWith('proxy-') || dropped.has(lower)) continue;
    if (named?.has(lower) !== true) kept.push(name, value);
  }
  return kept;
}

const noNames: ReadonlySet<string> = new Set();

function namesInConnection(raw: readonly string[]): Set<string> | undefined {
  let names: Set<string> | undefined;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    if (raw[at]?.length !== 'connection'.length || raw[at]?.toLowerCase() !== 'connection') continue;
    names ??= new Set();
    for (const name of (raw[at + 1] ?? '').split(',')) names.add(name.trim().toLowerCase());
  }
  return names;
}
