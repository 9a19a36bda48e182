/** How long the registry may take for an answer, in milliseconds. */
export const registryDeadlineMs = 2_500;
/** The same at a connector, where the registry may ask a hook of the operator first, for up to 5 s. */
export const contactDeadlineMs = 7_500;

/** Fails closed: no answer, no entry. */
export const noAnswer = { outcome: 'refused', reason: 'admission-unavailable' } as const;

/** How many answers are remembered. */
export const mostRemembered = 20_000;

// The limit matters only when an announcement of the registry is lost.
const rememberedMs = 60_000;

/** Whether an answer from then still counts. When the clock was set back, it must not count for longer. */
export function isFresh(decidedAtMs: number, nowMs: number): boolean {
  const ageMs = nowMs - decidedAtMs;
  return ageMs >= 0 && ageMs < rememberedMs;
}
