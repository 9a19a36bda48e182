import type { Entrance, Entrances, SecurityInForce, SecuritySource } from '@sallyport/entrance';
import type { ServerCertificate } from '@sallyport/identity';
import { entrances } from '@sallyport/protocol';
import type { Clock } from '@sallyport/runtime';
import { type ListenerHandler, makeTrustAnchors } from '@sallyport/tls';
import { isTrusted } from '../authority/authority.js';
import type { Hierarchy } from '../authority/hierarchy.js';

export interface EstEntranceOptions {
  readonly entrances: Pick<Entrances, 'open'>;
  /** EST over HTTPS, or over CoAP. */
  readonly group: 'pki' | 'pki.coap';
  readonly handler: ListenerHandler;
  /** Where it listens, as it is set now. */
  readonly address: () => { readonly host: string; readonly port: number };
  readonly serverCertificate: ServerCertificate;
  readonly hierarchy: Hierarchy;
  readonly clock: Clock;
}

/**
 * An entrance to EST. It is always TLS, with a certificate that the signer issued to itself. A client may show a
 * certificate of this site; it must do so to renew it.
 */
export class EstEntrance {
  private entrance: Entrance | undefined;
  private fault: unknown;

  constructor(private readonly options: EstEntranceOptions) {}

  get isOpen(): boolean {
    return this.entrance !== undefined;
  }

  /** Opens the entrance, unless it is open or the signer has no certificate to show yet. */
  async openIfPossible(): Promise<void> {
    const { serverCertificate, group, handler } = this.options;
    if (this.isOpen || !serverCertificate.hasIdentity) return;
    try {
      this.entrance = await this.options.entrances.open({
        name: entrances[group].name,
        source: this.source(),
        handler,
      });
    } catch (error) {
      this.fault = error;
      throw error;
    }
  }

  /** @throws what kept it from opening although there was a certificate, such as a taken address */
  requireNoFault(): void {
    if (this.fault !== undefined) throw this.fault;
  }

  private source(): SecuritySource {
    const { group, address, hierarchy, serverCertificate, clock } = this.options;
    return {
      group,
      address,
      read: async () => estSecurity(hierarchy, serverCertificate, clock.now()),
      // A new server certificate and a changed hierarchy are in force at once, without a restart.
      watch: (onChanged) => {
        const stopRenewals = serverCertificate.onRenewed(onChanged);
        const stopChanges = hierarchy.onChange(onChanged);
        return () => {
          stopRenewals();
          stopChanges();
        };
      },
    };
  }
}

/** The certificate that the listener shows, and the CAs it trusts, at a moment. */
export function estSecurity(hierarchy: Hierarchy, serverCertificate: ServerCertificate, now: Date): SecurityInForce {
  const authorities = hierarchy.all.filter(isTrusted);
  const ownIssuers = new Set(authorities.map(({ certificate }) => certificate.fingerprint));
  const candidates = authorities.map(({ record, certificate }) => ({ name: record.id, certificate }));
  const ca = makeTrustAnchors(candidates, { now, ownIssuers });
  // When every CA has expired, no client certificate can be trusted. The entrance still hands out the CAs, and says why
  // nothing is issued.
  const clientCertificate = ca.certificates.length === 0 ? ('none' as const) : ('optional' as const);
  // Also of CAs that are retired: nothing below them is valid. What may be renewed, the inventory decides.
  const renewableFrom = hierarchy.all.filter(({ record }) => record.purpose !== 'root').map((each) => each.certificate);
  const security = { ...serverCertificate.identity, ca, clientCertificate, renewableFrom };
  return { level: 'server', security, warnings: ca.warnings };
}
