import { sign } from 'node:crypto';
import { type AuthorityProof, type AuthorityProofResponse, Problem } from '@sallyport/protocol';
import type { SignerAuditLog } from '../audit/signer-audit.js';
import type { KeyStore } from '../signing-key/signing-key.js';
import type { Hierarchy } from './hierarchy.js';

/**
 * Signs the verification code of a cloud with the key of a CA. The audit log has the row before the signature leaves.
 *
 * @throws Problem `not-found`: no such CA
 * @throws Problem `signing-key-unavailable`: its key is not held here
 */
export async function proveAuthority(
  { hierarchy, keys, audit }: { hierarchy: Hierarchy; keys: KeyStore; audit: SignerAuditLog },
  { id, code }: AuthorityProof,
  actor: string,
): Promise<AuthorityProofResponse> {
  const { keyName } = hierarchy.byId(id).record;
  if (keyName === undefined)
    throw new Problem('signing-key-unavailable', `This signer does not hold the key of CA "${id}".`);
  const { privateKey } = await keys.open(keyName);
  const signature = sign('sha256', Buffer.from(code, 'ascii'), privateKey).toString('base64');
  const details = { code };
  await audit.commit({
    entries: [{ action: 'authority-proved', actor, subject: id, outcome: 'succeeded', details }],
  });
  return { signature };
}
