import type { Authorization } from '../authorization/authorization.js';
import type { ConnectionTokens } from './sec-context.js';

/** What a connection exchanges, without memory. */
export function connectionTokens(authorization: Authorization): ConnectionTokens {
  return {
    exchange: (provider, code) => authorization.exchange(provider, code),
    refresh: (provider, { token }) => authorization.refresh(provider, token),
    clear: () => undefined,
  };
}
