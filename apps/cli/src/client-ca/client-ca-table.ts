import type { ClientCa } from '@sallyport/protocol';
import { tableLines } from '../output.js';

/** Client CAs for people. */
export function clientCaTable(clientCas: readonly ClientCa[], now: Date): string[] {
  return tableLines(
    ['CLIENT CA', 'LABEL', 'NEW DEVICES', 'LOGINS', 'UNTIL', 'SUBJECT'],
    clientCas.map((ca) => [
      shortId(ca),
      ca.label,
      newDevicesText(ca),
      loginText(ca),
      untilText(ca, now),
      ca.certificates[0]?.subject ?? '',
    ]),
  );
}

/** Enough of the id to tell the Client CAs of a connector apart; commands take it as well as the whole one. */
export function shortId({ id }: Pick<ClientCa, 'id'>): string {
  return id.slice(0, 'ca:'.length + 12);
}

/** Whether new devices get in. */
export function newDevicesText({ provision, approval }: ClientCa): string {
  if (!provision) return 'no';
  return approval === 'manual' ? 'after approval' : 'yes';
}

/** Whether devices may log in, and what becomes of those that are connected. */
export function loginText({ login, sessions }: ClientCa): string {
  if (login) return 'yes';
  return sessions === 'end' ? 'no, connections end' : 'no, connections stay';
}

/** When the last of its certificates ends. */
function untilText({ certificates, existingUntil }: ClientCa, now: Date): string {
  const [last = ''] = certificates
    .map(({ notAfter }) => notAfter)
    .toSorted()
    .toReversed();
  const end = Date.parse(last) <= now.getTime() ? `${last} (expired)` : last;
  return existingUntil === undefined ? end : `${end}, known devices until ${existingUntil}`;
}
