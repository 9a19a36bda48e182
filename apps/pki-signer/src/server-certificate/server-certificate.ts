import type { KeyObject } from 'node:crypto';
import { createPrivateKey, generateKeyPair } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { isIP } from 'node:net';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { holdRoom, readTextIfPresent, writeFileAtomic } from '@sallyport/files';
import { needsRenewal, renewalBackOffMs } from '@sallyport/identity';
import { deviceId, Problem } from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import {
  altNameFault,
  buildCertificateRequest,
  type Certificate,
  certificatesFromPem,
  isCertificateOf,
  parseCertificateRequest,
  pemFromDer,
  type SubjectAltName,
  splitAtCertificates,
  verifySignedBy,
} from '@sallyport/x509';
import type { Hierarchy } from '../authority/hierarchy.js';
import type { CertificateRecord } from '../inventory/certificate-record.js';
import type { Inventory } from '../inventory/inventory.js';
import type { CertificateIssuer } from '../issuance/certificate-issuer.js';
import { canonicalHost, requestedNamesOf } from '../issuance/requested-names.js';
import { untilStored } from '../issuance/until-stored.js';

export interface ServerCertificateOptions {
  readonly issuer: CertificateIssuer;
  readonly hierarchy: Hierarchy;
  readonly inventory: Inventory;
  readonly clock: Clock;
  /** The file with key and chain, mode 0600. Both are in one file, so that they change together. */
  readonly path: string;
  readonly names: () => readonly SubjectAltName[];
  /** Milliseconds of a clock that nobody can set; that of the machine when absent. */
  readonly elapsedMs?: () => number;
}

/** What a TLS listener shows. */
export interface ServerIdentity {
  /** PEM, leaf first. */
  readonly certificatePem: string;
  readonly keyPem: string;
}

// Key and chain. A chain has three certificates of one or two kilobytes.
const roomBytes = 16_384;

const signerName = deviceId.parse('pki-signer');

/** The certificate of the signer's own entrance. Its own service CA issues it, and renews it long before it ends. */
export class ServerCertificate {
  private current: ServerIdentity | undefined;
  private failures = 0;
  private retryAtMs = 0;
  private readonly listeners = new Set<() => void | Promise<void>>();

  constructor(private readonly options: ServerCertificateOptions) {}

  /** @throws Problem `unavailable`: `renewIfDue` has not run yet */
  get identity(): ServerIdentity {
    if (this.current !== undefined) return this.current;
    throw new Problem('unavailable', 'The signer has no server certificate yet.', { retryAfterSeconds: 1 });
  }

  /**
   * Calls back when there is a new certificate; the entrance then puts it in force.
   *
   * @returns ends the calls
   */
  onRenewed(listener: () => void | Promise<void>): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /**
   * Makes a certificate when there is none, when a third of its life is left, when it was made while the clock was
   * ahead, when names or issuer have changed, or when it was revoked. After each failure it waits longer, up to an
   * hour.
   */
  async renewIfDue(): Promise<void> {
    this.current ??= identityFrom(await readTextIfPresent(this.options.path));
    if (this.current !== undefined && !(await this.isDue(certificateOf(this.current)))) return;
    if (this.elapsedMs() < this.retryAtMs) return;
    this.current = await this.makeOrBackOff();
    for (const listener of this.listeners) await listener();
  }

  /** Whether there is a certificate to show, expired or not. */
  get hasIdentity(): boolean {
    return this.current !== undefined;
  }

  private async makeOrBackOff(): Promise<ServerIdentity> {
    try {
      const made = await this.make();
      this.failures = 0;
      return made;
    } catch (error) {
      this.retryAtMs = this.elapsedMs() + renewalBackOffMs(this.failures, Math.random());
      this.failures += 1;
      throw error;
    }
  }

  private elapsedMs(): number {
    return this.options.elapsedMs?.() ?? performance.now();
  }

  private async isDue(certificate: Certificate): Promise<boolean> {
    const { clock, hierarchy, inventory } = this.options;
    const now = clock.now();
    if (needsRenewal(certificate, now) || !this.hasNames(certificate)) return true;
    const { certificate: issuing } = hierarchy.signing('service');
    // It was made while the clock was ahead. If the CA was too, a new certificate would be no better.
    if (now < certificate.notBefore && now >= issuing.notBefore) return true;
    // Tokens name the root of the active service CA, so this certificate must come from that CA. Its key is checked,
    // because another CA may have the same name.
    if (!verifySignedBy(certificate, issuing)) return true;
    const reason = (await inventory.get(certificate.fingerprint))?.record.revocation?.reason;
    // If the registry revoked the signer itself, a new certificate would be revoked too, so do not renew.
    return reason !== undefined && reason !== 'privilegeWithdrawn' && reason !== 'cessationOfOperation';
  }

  private hasNames({ subjectAltNames }: Certificate): boolean {
    const held = subjectAltNames.filter(({ type }) => type !== 'uri').map(({ value }) => canonicalHost(value));
    return JSON.stringify(held) === JSON.stringify(this.options.names().map(({ value }) => value));
  }

  private async make(): Promise<ServerIdentity> {
    const { hierarchy, path } = this.options;
    const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    // Issue nothing that cannot be stored: every certificate stays in inventory, registry and audit log.
    const room = await holdRoom(path, roomBytes);
    const record = await this.issueFor(privateKey).finally(() => room.release());
    const { certificate, intermediates } = hierarchy.byId(record.issuer);
    const ders = [Buffer.from(record.certificate, 'base64'), certificate.der, ...intermediates.map(({ der }) => der)];
    const certificatePem = ders.map((der) => pemFromDer('CERTIFICATE', der)).join('');
    const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await writeFileAtomic(path, `${keyPem}${certificatePem}`, 0o600);
    return { certificatePem, keyPem };
  }

  private issueFor(privateKey: KeyObject): Promise<CertificateRecord> {
    const { hierarchy, issuer } = this.options;
    const names = this.options.names();
    const csr = parseCertificateRequest(
      buildCertificateRequest({ privateKey, commonName: signerName, subjectAltNames: names }),
    );
    const order = {
      csr,
      name: signerName,
      profile: 'server',
      provisioner: 'signer',
      actor: 'signer',
      permittedHosts: names.map(({ value }) => value),
      requested: requestedNamesOf(csr),
      reinstate: false,
    } as const;
    return untilStored(hierarchy, () => issuer.issue(order));
  }
}

/** Reads key and certificate from the file; undefined when they do not belong together. */
function identityFrom(pem: string | undefined): ServerIdentity | undefined {
  const parts = splitAtCertificates(pem ?? '');
  if (parts === undefined) return undefined;
  const identity = { keyPem: parts.before, certificatePem: parts.certificates };
  try {
    return isCertificateOf(createPrivateKey(identity.keyPem), certificateOf(identity)) ? identity : undefined;
  } catch {
    // The file is damaged. Nothing else depends on it, so a new certificate mends it.
    return undefined;
  }
}

function certificateOf({ certificatePem }: ServerIdentity): Certificate {
  const [leaf] = certificatesFromPem(certificatePem);
  if (leaf !== undefined) return leaf;
  throw new Problem('config-invalid', 'The file holds no certificate.');
}

/**
 * The names under which clients reach the signer's own entrance: those of this machine, and those of the settings.
 * Names that a certificate may not contain are left out. The name of a machine is often no host name, such as the
 * digits of a container.
 *
 * @param hostname of the machine
 * @param configured `pki.hostnames`: names and addresses
 */
export function serverNames(hostname: string, configured: readonly string[]): SubjectAltName[] {
  const wanted = ['localhost', hostname, '127.0.0.1', '::1', ...configured].filter(isForAnybody).map(canonicalHost);
  return [...new Set(wanted)]
    .map(altNameOf)
    .filter((name) => altNameFault(name, { permitsWildcard: false }) === undefined);
}

function altNameOf(value: string): SubjectAltName {
  return { type: isIP(value) === 0 ? 'dns' : 'ip', value };
}

/** RFC 4007 §11: an address with a zone, such as `fe80::1%eth0`, has a meaning on one machine only. */
function isForAnybody(name: string): boolean {
  return isIP(name) === 0 || !name.includes('%');
}
