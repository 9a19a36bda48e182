import { readTrustBundle } from '@sallyport/protocol';
import type { ConnectedContext } from '@sallyport/runtime';
import { type Certificate, certificatesFromPem } from '@sallyport/x509';

const signerDeadlineMs = 2_500;

/**
 * The CAs of this site as the signer publishes them: roots and issuing CAs.
 *
 * @param signal ends the wait early
 * @throws Problem `unavailable`: the signer did not answer.
 */
export async function fetchTrustBundle(
  context: Pick<ConnectedContext, 'rpc'>,
  signal?: AbortSignal,
): Promise<Certificate[]> {
  const options = { deadlineMs: signerDeadlineMs, ...(signal === undefined ? {} : { signal }) };
  const { certificates } = await context.rpc.call(readTrustBundle, {}, options);
  return certificates.flatMap(({ pem }) => certificatesFromPem(pem));
}
