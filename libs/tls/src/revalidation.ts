import { pause } from '@sallyport/concurrency';
import type { AdmissionDecision, RefusalReason } from '@sallyport/protocol';
import type { ListenerSession } from './listener-session.js';

/** Sessions asked about at the same time. The registry refuses too many questions at once. */
const askedAtOnce = 32;

/** Time between two tries, in milliseconds. */
const pauseMs = 1_000;

export interface Revalidation {
  readonly ask: (session: ListenerSession) => Promise<AdmissionDecision>;
  readonly cut: (session: ListenerSession, reason: RefusalReason) => void;
  /** How long sessions stay open while there is no answer, in milliseconds. */
  readonly graceMs: number;
}

/** Asks about each session again, until all are answered or the grace is over. Cuts those refused or not answered. */
export async function revalidate(sessions: readonly ListenerSession[], revalidation: Revalidation): Promise<void> {
  const graceEndsAt = performance.now() + revalidation.graceMs;
  let left = sessions;
  for (;;) {
    left = await askAbout(left, revalidation);
    if (left.length === 0) return;
    if (performance.now() >= graceEndsAt) break;
    await pause(pauseMs, { ref: false });
  }
  for (const session of left) revalidation.cut(session, 'admission-unavailable');
}

/** Stops at the first question without an answer. Returns the sessions that still need one. */
async function askAbout(sessions: readonly ListenerSession[], { ask, cut }: Revalidation): Promise<ListenerSession[]> {
  const waiting = sessions.filter(({ isOver }) => !isOver);
  const unanswered: ListenerSession[] = [];
  const work = async () => {
    while (unanswered.length === 0) {
      const session = waiting.pop();
      if (session === undefined) return;
      const decision = await ask(session);
      if (session.isOver || decision.outcome === 'admitted') continue;
      if (decision.reason === 'admission-unavailable') unanswered.push(session);
      else cut(session, decision.reason);
    }
  };
  await Promise.all(Array.from({ length: askedAtOnce }, work));
  return [...waiting, ...unanswered];
}
