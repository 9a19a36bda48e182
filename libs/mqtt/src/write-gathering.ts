import type { Writable } from 'node:stream';

/**
 * Lets all packets written in one turn of the event loop leave together. MQTT.js corks its stream for each packet alone,
 * so that each is a system call of its own, and those are most of what a message costs.
 */
export function gatherWrites(stream: Writable): void {
  const cork = stream.cork.bind(stream);
  let isGathering = false;
  const release = (): void => {
    isGathering = false;
    stream.uncork();
  };
  const gather = (): void => {
    cork();
    if (isGathering) return;
    isGathering = true;
    // One more than the packets ask for, given back when the turn is over.
    cork();
    setImmediate(release);
  };
  Object.assign(stream, { cork: gather });
}
