import type { Writable } from 'node:stream';

/**
 * Sends all packets that were written in one turn of the event loop together. MQTT.js corks its stream for each packet,
 * so each would be a system call, and system calls are most of the cost of a message.
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
    // One cork more than the packets ask for. It is released when the turn is over.
    cork();
    setImmediate(release);
  };
  Object.assign(stream, { cork: gather });
}
