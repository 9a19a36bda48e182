import { AuditJournal } from '@sallyport/audit';
import { Journal, type JournalChange } from '@sallyport/journal';
import { statePlaces } from '@sallyport/protocol';
import type { ServiceContext } from '@sallyport/runtime';
import type { JsonValue, Store } from '@sallyport/store';
import { devicePrefix } from '../devices/device-keys.js';
import { recordOf } from '../devices/stored-record.js';

const denials = ['denied/', 'denied-peer/', 'tombstone/', 'deleted-certificate/'];
const keptPrefixes = [devicePrefix, ...denials];

/**
 * The journal of the registry: devices and their states, and who is refused.
 *
 * @throws NodeJS.ErrnoException: a journal that is there cannot be read
 */
export async function openRegistryJournal(context: ServiceContext, store: Store): Promise<AuditJournal> {
  const { clock, log, settings } = context;
  const folder = statePlaces(settings.stateDirectory).journalOf(context.name);
  const journal = await Journal.open({ folder, isKept });
  return AuditJournal.open({ store, clock, log, journal, keptPrefixes, isKept, isPreferred });
}

/** What matters for ever: refusals, and that they have ended. */
function isKept(change: JournalChange): boolean {
  if ('delete' in change) return keptPrefixes.some((prefix) => change.delete.startsWith(prefix));
  const { put, value } = change;
  return isDenial(put) || (put.startsWith(devicePrefix) && isRefused(put, value));
}

/** What was refused stays refused. Otherwise the store is right, because it may have gone another way since. */
function isPreferred(change: JournalChange, stored: JsonValue | undefined): boolean {
  if ('delete' in change) return false;
  const { put, value } = change;
  if (stored === undefined || isDenial(put)) return true;
  return put.startsWith(devicePrefix) && isRefused(put, value) && !isRefused(put, stored);
}

function isDenial(key: string): boolean {
  return denials.some((prefix) => key.startsWith(prefix));
}

/** A record that cannot be read refuses, too. */
function isRefused(key: string, value: JsonValue): boolean {
  try {
    return recordOf({ key, value, revision: 0 }).state !== 'active';
  } catch {
    return true;
  }
}
