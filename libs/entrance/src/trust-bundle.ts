import { readTrustBundle } from '@sallyport/protocol';
import type { ServiceContext } from '@sallyport/runtime';
import { type Certificate, certificatesFromPem } from '@sallyport/x509';

const signerDeadlineMs = 2_500;

/**
 * The CAs of this site as the signer publishes them: roots and issuing CAs.
 *
 * @throws Problem `unavailable`: the signer did not answer.
 */
export async function fetchTrustBundle(context: ServiceContext): Promise<Certificate[]> {
  const { certificates } = await context.rpc.call(readTrustBundle, {}, { deadlineMs: signerDeadlineMs });
  return certificates.flatMap(({ pem }) => certificatesFromPem(pem));
}
