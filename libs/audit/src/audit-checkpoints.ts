import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { dirname } from 'node:path';
import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { SerialQueue } from '@sallyport/concurrency';
import { makeFolder, readTextIfPresent, writeFileOnce } from '@sallyport/files';
import {
  type AuditCheckpoint,
  type AuditCheckpoints as CheckpointList,
  Problem,
  statePlaces,
} from '@sallyport/protocol';
import { FaultLog, ServiceContext } from '@sallyport/runtime';
import { AuditLog } from './audit-log.js';
import { requireEd25519, signCheckpoint } from './checkpoint.js';

const periodMs = 3_600_000;
// How soon it is found that the store was exchanged for an older copy while nothing was written.
const journalCheckMs = 30_000;

/**
 * Signs the head of the audit log every hour in which it grew, and when the service stops. The key is in a file that only
 * its owner can read. So somebody who can write the store, and not read that file, cannot write the log anew without being
 * found out.
 */
@Injectable()
export class AuditCheckpoints implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly signing = new SerialQueue();
  private readonly faults: FaultLog;
  private readonly journalFaults: FaultLog;
  private timer: NodeJS.Timeout | undefined;
  private journalTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly audit: AuditLog,
    private readonly context: ServiceContext,
  ) {
    this.faults = new FaultLog(context.log, context.clock, 'audit log could not be signed, will be tried again');
    this.journalFaults = new FaultLog(context.log, context.clock, 'journal could not be compared with the store');
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.make().catch(this.faults.note), periodMs).unref();
    const checkJournal = () => void this.audit.checkJournal().catch(this.journalFaults.note);
    this.journalTimer = setInterval(checkJournal, journalCheckMs).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    clearInterval(this.journalTimer);
    await this.make().catch(this.faults.note);
  }

  /** Every checkpoint, at most the newest 1000, oldest first; and a new one if the log has grown since the last. */
  async list(): Promise<CheckpointList> {
    await this.make();
    return { checkpoints: await this.audit.checkpoints() };
  }

  private make(): Promise<void> {
    return this.signing.run(async () => {
      const [head, known] = [await this.audit.head(), await this.audit.checkpoints()];
      if (head.sequence === 0 || known.at(-1)?.sequence === head.sequence) return;
      const { name: service, clock } = this.context;
      const unsigned = { service, ...head, at: clock.now().toISOString() };
      const checkpoint: AuditCheckpoint = signCheckpoint(unsigned, await this.key());
      await this.audit.keepCheckpoint(checkpoint);
    });
  }

  /** Made when it is first needed. */
  private async key(): Promise<KeyObject> {
    const { name, settings } = this.context;
    const path = statePlaces(settings.stateDirectory).auditKeyOf(name);
    const known = await readTextIfPresent(path);
    if (known !== undefined) return requireEd25519(readKey(path, known));
    await makeFolder(dirname(path), 0o700);
    const { privateKey } = generateKeyPairSync('ed25519');
    await writeFileOnce(path, String(privateKey.export({ format: 'pem', type: 'pkcs8' })), 0o600);
    // Another process may have been first.
    return readKey(path, (await readTextIfPresent(path)) ?? '');
  }
}

function readKey(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (fault) {
    // The log names the file, from the cause. Callers of the API must not learn paths.
    const cause = new Error(`cannot read the key in ${path}`, { cause: fault });
    throw new Problem('internal', 'The key of the audit log cannot be read. Remove its file, and a new one is made.', {
      cause,
    });
  }
}
