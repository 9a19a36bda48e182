import type { RefusalReason } from '@sallyport/protocol';

/** Ends the judgement of a contact. It is an answer and no fault, so it never leaves this folder. */
export class Refusal extends Error {
  override readonly name = 'Refusal';

  constructor(readonly reason: RefusalReason) {
    super(reason);
  }
}

/** @throws Refusal when the reason is there */
export function refuseFor(reason: RefusalReason | undefined): void {
  if (reason !== undefined) throw new Refusal(reason);
}

/** The answer, or the reason of the refusal that ended it. */
export async function answerOrReason<Answer>(
  judging: Promise<Answer>,
): Promise<{ readonly answer: Answer } | { readonly reason: RefusalReason }> {
  try {
    return { answer: await judging };
  } catch (error) {
    if (error instanceof Refusal) return { reason: error.reason };
    throw error;
  }
}
