import { lookup } from 'node:dns';
import { type LookupFunction, setDefaultAutoSelectFamilyAttemptTimeout } from 'node:net';

const loopback = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

/**
 * Finds the addresses of a host, for connections to our own services. `localhost` is always both loopback addresses (RFC
 * 6761 §6.3), and Node tries one after the other. On some machines the system knows one of them only, and the listener
 * has the other one.
 */
export const lookupHost: LookupFunction = (host, options, callback) => {
  if (host === 'localhost' && options.all === true) callback(null, loopback);
  else lookup(host, options, callback);
};

// A mobile network or a busy machine needs longer than the 250 ms of Node. With these, a host with several addresses behind
// such a network can never be reached.
const addressAttemptMs = 2_000;

/** From now on this process gives each address of a host two seconds. Programs call it once, when they start. */
export function giveAddressesTime(): void {
  setDefaultAutoSelectFamilyAttemptTimeout(addressAttemptMs);
}
