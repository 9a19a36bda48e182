import { z } from 'zod';
import { defineRpc, rpcTopic } from './rpc.js';

/** Services that show devices a certificate of this site from the start, before an administrator has secured anything. */
const serviceWithOwnCertificate = z.enum(['connector', 'coap-gateway']);

/**
 * Asks the signer for the certificate that a service shows at its entrances. It is good for a TLS server and nothing
 * else, and for the hosts of this site only. The same request again gets another certificate of the same key.
 */
export const issueServerCertificate = defineRpc({
  pattern: rpcTopic('pki-signer', 'issue-server-certificate'),
  request: z.strictObject({
    service: serviceWithOwnCertificate,
    /** PKCS#10, DER. */
    request: z.base64().max(65_536),
  }),
  response: z.strictObject({
    /** PEM, leaf first, without the root. */
    chain: z.array(z.string().max(16_384)).min(1).max(10),
  }),
});
export type ServerCertificateRequest = z.infer<(typeof issueServerCertificate)['request']>;
