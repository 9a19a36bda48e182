import { hostname } from 'node:os';
import { join } from 'node:path';
import { ServerCertificate, type ServerIdentity, serverNames } from '@sallyport/identity';
import { deviceId, issueServerCertificate, Problem, statePlaces } from '@sallyport/protocol';
import type { ConnectedContext } from '@sallyport/runtime';
import { readSecurityFiles } from '@sallyport/tls';
import { type Certificate, certificatesFromPem, verifySignedBy } from '@sallyport/x509';

const signerDeadlineMs = 10_000;
const keys = { cert: 'connector.cert_path', key: 'connector.key_path', ca: 'connector.ca_path' } as const;

interface Known {
  readonly domains: readonly string[];
  readonly site: readonly Certificate[];
}

/** The certificate that devices see: the one of the settings, or one that the signer of this site issues. */
export class FrontCertificate {
  private readonly own: ServerCertificate;

  /** @param known the domains of the connectors, and the CAs of this site, as they are now */
  constructor(
    private readonly context: ConnectedContext,
    known: () => Known,
  ) {
    const { settings, clock, rpc } = context;
    this.own = new ServerCertificate({
      path: join(statePlaces(settings.stateDirectory).folderOf(context.name), 'server-identity.pem'),
      commonName: deviceId.parse(context.name),
      clock,
      names: () => serverNames(hostname(), [...context.settings.get('pki.hostnames'), ...known().domains]),
      issue: async (request) => {
        const order = { service: 'connector', request: request.toString('base64') } as const;
        const { chain } = await rpc.call(issueServerCertificate, order, { deadlineMs: signerDeadlineMs });
        return chain.flatMap((pem) => certificatesFromPem(pem)).map(({ der }) => der);
      },
      // The site was founded anew, or its CA rotated and is gone.
      isObsolete: (certificate) => known().site.length > 0 && !isOfSite(certificate, known().site),
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
    const { settings } = this.context;
    const { settings: found, warnings } = await readSecurityFiles(
      { certPath: settings.get(keys.cert), keyPath: settings.get(keys.key), keys },
      { now: this.context.clock.now() },
    );
    const { certificatePem, keyPem } = found;
    if (certificatePem === undefined || keyPem === undefined)
      throw new Problem('config-invalid', `Set both ${keys.cert} and ${keys.key}, or neither.`);
    return { identity: { certificatePem, keyPem }, warnings };
  }

  private get isConfigured(): boolean {
    const { settings } = this.context;
    return settings.get(keys.cert) !== undefined || settings.get(keys.key) !== undefined;
  }
}

function isOfSite(certificate: Certificate, site: readonly Certificate[]): boolean {
  return site.some((authority) => verifySignedBy(certificate, authority));
}
