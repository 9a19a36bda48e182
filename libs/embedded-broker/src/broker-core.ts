import { ClientLog } from '@sallyport/mqtt-wire';
import type { Store } from '@sallyport/store';
import type { AccessRules } from './access-rules.js';
import { type BrokerJournal, noJournal } from './broker-journal.js';
import type { BrokerCounters } from './counters.js';
import { Journal } from './journal/journal.js';
import type { JournalDisk } from './journal/journal-disk.js';
import type { BrokerLimits } from './limits.js';
import { Recovery } from './recovery.js';
import { RetainedMessages } from './retained-messages.js';
import { Router } from './router.js';
import { SessionTable } from './session-table.js';
import { importFromStore, removeImported } from './store-import.js';
import { Wills } from './wills.js';

export interface CoreOptions {
  readonly limits: BrokerLimits;
  readonly rules: AccessRules;
  readonly counters: BrokerCounters;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds that only go forward. */
  readonly uptime: () => number;
  readonly onWarning: (text: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** The parts of a broker that know of messages and sessions, and nothing of connections. */
export class BrokerCore {
  readonly retained: RetainedMessages;
  readonly sessions: SessionTable;
  readonly router: Router;
  readonly wills: Wills;
  readonly log: ClientLog;
  readonly now: () => number;
  private lastMessageId = 0;

  constructor(
    readonly journal: BrokerJournal,
    options: CoreOptions,
  ) {
    const { limits, rules, counters, now, uptime, onWarning } = options;
    this.now = now;
    this.log = new ClientLog({ onWarning, now });
    this.retained = new RetainedMessages({
      journal,
      holdShare: (owner) => this.sessions.holdShare(owner),
      releaseShare: (share) => this.sessions.releaseShare(share),
    });
    this.sessions = new SessionTable({
      limits,
      journal,
      now,
      uptime,
      retained: this.retained,
      nextMessageId: () => this.nextMessageId(),
      onEnd: (session) => {
        this.router.forget(session);
        this.wills.release(session);
      },
    });
    this.router = new Router({
      limits,
      rules,
      journal,
      counters,
      now,
      log: this.log,
      retained: this.retained,
      sessions: this.sessions,
      nextMessageId: () => this.nextMessageId(),
    });
    this.wills = new Wills(uptime, (publication, session) => {
      const isAllowed = rules.mayPublish(session.origin, publication.topic);
      const outcome = isAllowed ? this.router.publish(publication, session) : 'no-room';
      if (outcome === 'no-room' || outcome === 'failing')
        this.log.warn('a last will was not kept', session.owner, { session: session.name, topic: publication.topic });
    });
  }

  /** Ends sessions and sends wills whose time has come. */
  checkTime(): void {
    this.wills.publishDue();
    this.sessions.endAllExpired();
    this.sessions.noteThoseThere();
  }

  nextMessageId(): number {
    this.lastMessageId += 1;
    return this.lastMessageId;
  }

  startIdsAfter(messageId: number): void {
    this.lastMessageId = messageId;
  }
}

/** A core that keeps everything in memory alone. */
export function coreInMemory(options: CoreOptions): BrokerCore {
  return new BrokerCore(noJournal, options);
}

/** A core on its journal. */
export interface KeptCore {
  readonly core: BrokerCore;
  readonly journal: Journal;
}

/**
 * Opens a journal and puts back what it holds.
 *
 * @param store where an earlier release kept sessions, events and retained messages
 * @throws Problem `unavailable`: the journal is damaged or of a newer release; nothing was changed
 */
export async function coreOnDisk(disk: JournalDisk, store: Store | undefined, options: CoreOptions): Promise<KeptCore> {
  const journal = new Journal({ disk, onWarning: options.onWarning });
  try {
    const core = new BrokerCore(journal, options);
    const recovery = new Recovery(journal);
    await journal.load((type, record) => recovery.take(type, record));
    core.startIdsAfter(recovery.lastMessageId);
    recovery.finish({ ...core, rules: options.rules });
    if (recovery.lostSessions > 0)
      options.onWarning('the journal has messages for sessions that it does not have: a part of it is missing', {
        sessions: recovery.lostSessions,
      });
    if (store !== undefined)
      await (recovery.isImported ? removeImported(store) : importFromStore(store, core, journal));
    return { core, journal };
  } catch (error) {
    await journal.close();
    throw error;
  }
}
