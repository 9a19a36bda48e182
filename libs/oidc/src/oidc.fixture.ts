import { OidcProvider } from '@sallyport/testkit/oidc-provider';
import { TokenIssuer } from './token-issuer.js';

type OnFinished = (cleanUp: () => Promise<void>) => void;

/** A provider, one that verifies its tokens, and a clock for both kinds of time, all for the running test. */
export async function startProvider(onTestFinished: OnFinished) {
  const provider = await OidcProvider.start();
  onTestFinished(() => provider.stop());
  const clock = { ms: Date.now() };
  const issuer = new TokenIssuer({
    issuer: provider.issuer,
    deadlineMs: 500,
    now: () => new Date(clock.ms),
    nowMs: () => clock.ms,
  });
  /** A token with this fault, at the present time of the clock. */
  const forge = (flaw: Parameters<OidcProvider['forge']>[1]) =>
    provider.forge({}, { now: new Date(clock.ms), ...flaw });
  return { provider, issuer, clock, forge };
}
