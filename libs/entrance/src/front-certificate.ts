import { hostname } from 'node:os';
import { join } from 'node:path';
import { ServerCertificate, type ServerIdentity, serverNames } from '@sallyport/identity';
import {
  type DeviceId,
  issueServerCertificate,
  Problem,
  type ServerCertificateRequest,
  statePlaces,
} from '@sallyport/protocol';
import type { ConnectedContext } from '@sallyport/runtime';
import { readSecurityFiles, type SecurityFilePaths } from '@sallyport/tls';
import { type Certificate, certificatesFromPem, verifySignedBy } from '@sallyport/x509';

const signerDeadlineMs = 10_000;

/** What a service knows of the certificate it shows, as it is now. */
export interface FrontCertificateNeeds {
  readonly service: ServerCertificateRequest['service'];
  readonly commonName: DeviceId;
  /** The files of the settings. Without both paths, the signer issues a certificate. */
  readonly files: () => Pick<SecurityFilePaths, 'certPath' | 'keyPath' | 'keys'>;
  /** Host names besides those of this machine and of the setting `pki.hostnames`. */
  readonly domains: () => readonly string[];
  /** The CAs of this site; none while they are not known. */
  readonly site: () => readonly Certificate[];
  /** Another reason to make the certificate anew. The signer must refuse what this function would not accept. */
  readonly isObsolete?: (certificate: Certificate) => boolean;
}

/**
 * The certificate that devices see where a service has its own TLS from the start: that of the settings, or one that the
 * signer of this site issues.
 */
export class FrontCertificate {
  private readonly own: ServerCertificate;

  constructor(
    private readonly context: ConnectedContext,
    private readonly needs: FrontCertificateNeeds,
  ) {
    const { settings, clock, name } = context;
    this.own = new ServerCertificate({
      path: join(statePlaces(settings.stateDirectory).folderOf(name), 'server-identity.pem'),
      commonName: needs.commonName,
      clock,
      names: () => serverNames(hostname(), [...context.settings.get('pki.hostnames'), ...needs.domains()]),
      issue: (request) => this.issue(request),
      // The site was founded anew, or its CA rotated and is gone.
      isObsolete: (certificate) =>
        needs.isObsolete?.(certificate) === true || (needs.site().length > 0 && !isOfSite(certificate, needs.site())),
    });
  }

  /** Gets a certificate where one is needed. @returns whether there is another one now */
  async renewIfDue(): Promise<boolean> {
    if (this.isConfigured) return false;
    const before = this.own.hasIdentity ? this.own.identity : undefined;
    await this.own.renewIfDue();
    return this.own.identity !== before;
  }

  get isReady(): boolean {
    return this.isConfigured || this.own.hasIdentity;
  }

  /** @throws Problem `config-invalid`: the files of the settings cannot be used */
  async read(): Promise<{ readonly identity: ServerIdentity; readonly warnings: readonly string[] }> {
    if (!this.isConfigured) return { identity: this.own.identity, warnings: [] };
    const { keys, ...paths } = this.needs.files();
    const options = { now: this.context.clock.now() };
    const { settings: found, warnings } = await readSecurityFiles({ ...paths, keys }, options);
    const { certificatePem, keyPem } = found;
    if (certificatePem === undefined || keyPem === undefined)
      throw new Problem('config-invalid', `Set both ${keys.cert} and ${keys.key}, or neither.`);
    return { identity: { certificatePem, keyPem }, warnings };
  }

  private get isConfigured(): boolean {
    const { certPath, keyPath } = this.needs.files();
    return certPath !== undefined || keyPath !== undefined;
  }

  private async issue(request: Buffer): Promise<readonly Buffer[]> {
    const order = { service: this.needs.service, request: request.toString('base64') };
    const { chain } = await this.context.rpc.call(issueServerCertificate, order, { deadlineMs: signerDeadlineMs });
    return chain.flatMap((pem) => certificatesFromPem(pem)).map(({ der }) => der);
  }
}

function isOfSite(certificate: Certificate, site: readonly Certificate[]): boolean {
  return site.some((authority) => verifySignedBy(certificate, authority));
}
