import type { Authorization } from '../authorization/authorization.js';
import { RememberedGrants } from '../authorization/remembered-grants.js';
import type { ConnectionTokens } from './sec-context.js';

/** What a connection exchanges: a request that a device repeats gets the same answer. */
export function connectionTokens(authorization: Authorization): ConnectionTokens {
  return new RememberedGrants(authorization);
}
