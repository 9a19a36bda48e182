import { readFile } from 'node:fs/promises';
import type { CloudConnection } from '@sallyport/cloud';
import { pause } from '@sallyport/concurrency';
import { exists, removeIfPresent, writeFileAtomic } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import { waitingPath } from '../cert/device-files.js';
import type { CliContext } from '../cli-context.js';
import type { Failure } from '../failure.js';
import { DirectSession } from './direct-session.js';
import { explained } from './explained.js';

const mostAttempts = 5;
const pauseMs = 2000;
const certificateMode = 0o444;

/** What came of a renewed certificate: there is none, it is in force now, or the cloud does not take it. */
export type WaitingOutcome =
  | { readonly kind: 'none' }
  | { readonly kind: 'promoted'; readonly formerPath: string }
  | { readonly kind: 'rejected'; readonly path: string; readonly reason: Failure }
  /** No cloud has seen it, because it is no certificate, or not one of the key of this device. */
  | { readonly kind: 'unusable'; readonly path: string; readonly reason: Failure };

/** Whether a renewed certificate waits beside the one in force. */
export function hasWaiting({ identity }: CloudConnection): Promise<boolean> {
  return identity === undefined ? Promise.resolve(false) : exists(waitingPath(identity.certPath));
}

/**
 * Tries a renewed certificate, which waits as `<cert>.new`, on a connection of its own. Only if the cloud takes it does it
 * get into force. The one before is kept as `<cert>.old`. A certificate that the cloud does not take stays where it is.
 */
export async function tryWaiting(context: CliContext, connection: CloudConnection): Promise<WaitingOutcome> {
  if (connection.identity === undefined) return { kind: 'none' };
  const { certPath, keyPath } = connection.identity;
  const identity = { certPath: waitingPath(certPath), keyPath };
  let reason: Failure | undefined;
  for (let attempt = 1; attempt <= mostAttempts; attempt += 1) {
    // Another "connect" may have put it in force meanwhile. Then `.old` is the one before, and stays it.
    if (!(await hasWaiting(connection))) return { kind: 'none' };
    try {
      (await DirectSession.open(connection, { signal: context.signal, identity })).close();
      if (!(await hasWaiting(connection))) return { kind: 'none' };
      return { kind: 'promoted', formerPath: await promote(certPath) };
    } catch (fault) {
      context.signal.throwIfAborted();
      reason = await explained(fault, { ...connection, identity }, { now: context.now() });
      context.log.debug(`attempt ${attempt} with ${identity.certPath}: ${reason.message}`);
      // A file that cannot be used stays so; a cloud may need a moment to know a new certificate.
      if (fault instanceof Problem) return { kind: 'unusable', path: identity.certPath, reason };
    }
    if (attempt < mostAttempts) await pause(pauseMs, { signal: context.signal });
  }
  if (reason === undefined) throw new Error('a certificate was tried without any outcome');
  return { kind: 'rejected', path: identity.certPath, reason };
}

/** A crash in between leaves the former certificate in force, or the new one, and never none. */
async function promote(certPath: string): Promise<string> {
  const formerPath = `${certPath}.old`;
  const renewed = await readFile(waitingPath(certPath));
  const former = (await exists(certPath)) ? await readFile(certPath) : undefined;
  const finished = { mode: certificateMode, model: certPath };
  // They are equal if a crash came between the two last steps. Then `.old` is right already.
  if (former !== undefined && !former.equals(renewed)) await writeFileAtomic(formerPath, former, finished);
  await writeFileAtomic(certPath, renewed, finished);
  await removeIfPresent(waitingPath(certPath));
  return formerPath;
}
