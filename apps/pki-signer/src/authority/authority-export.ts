import { type AuthorityExport, type AuthorityExportResponse, Problem } from '@sallyport/protocol';
import { exportPkcs12, pemFromDer } from '@sallyport/x509';
import type { SignerAuditLog } from '../audit/signer-audit.js';
import type { KeyStore } from '../signing-key/signing-key.js';
import type { Hierarchy } from './hierarchy.js';

/**
 * Exports a CA. The certificates always; the key only in a PKCS#12 file that is encrypted with the caller's passphrase.
 * The audit log has the row before the key leaves the process.
 *
 * @throws Problem `not-found`: no such CA
 * @throws Problem `invalid-request`: the passphrase is none a PKCS#12 file takes
 * @throws Problem `signing-key-unavailable`: a passphrase is given, but its key is not held here
 */
export async function exportAuthority(
  { hierarchy, keys, audit }: { hierarchy: Hierarchy; keys: KeyStore; audit: SignerAuditLog },
  { id, passphrase }: AuthorityExport,
  actor: string,
): Promise<AuthorityExportResponse> {
  const authority = hierarchy.byId(id);
  const root = hierarchy.rootOf(authority).certificate;
  const chain = [authority.certificate, ...authority.intermediates];
  const certificates = root.fingerprint === authority.certificate.fingerprint ? chain : [...chain, root];
  const pem = certificates.map(({ der }) => pemFromDer('CERTIFICATE', der)).join('');
  if (passphrase === undefined) return { certificates: pem };
  const { keyName } = authority.record;
  if (keyName === undefined)
    throw new Problem('signing-key-unavailable', `This signer does not hold the key of CA "${id}".`);
  const { privateKey } = await keys.open(keyName);
  const pkcs12 = exportPkcs12({ privateKey, certificates, password: passphrase });
  const details = { withKey: true };
  await audit.commit({
    entries: [{ action: 'authority-exported', actor, subject: id, outcome: 'succeeded', details }],
  });
  return { certificates: pem, pkcs12: pkcs12.toString('base64') };
}
