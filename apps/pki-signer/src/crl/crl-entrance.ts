import type { Entrances, SecuritySource } from '@sallyport/entrance';
import { entrances } from '@sallyport/protocol';
import type { Limits } from '@sallyport/tls';
import type { Hierarchy } from '../authority/hierarchy.js';
import { crlHandler } from './crl-handler.js';
import type { CrlPublisher } from './crl-publisher.js';

export interface CrlEntranceOptions {
  readonly entrances: Pick<Entrances, 'open'>;
  /** `pki.public.bind.*` as it is set now. */
  readonly address: () => { readonly host: string; readonly port: number };
  readonly hierarchy: Hierarchy;
  readonly crls: CrlPublisher;
}

/** Small documents for anybody: each connection gets less than at other entrances. */
export const crlLimits = {
  connections: 1_000,
  headerBytes: 8_192,
  headersMs: 10_000,
  // No request here has a body worth waiting for.
  requestMs: 15_000,
  // A client that asks for a large list and does not read it must not hold its place for long.
  idleMs: 30_000,
  keepAliveMs: 5_000,
} as const satisfies Partial<Limits>;

/**
 * The entrance to CRLs and CA certificates. Plain HTTP by design: a CRL behind TLS could not be fetched without that
 * CRL.
 */
export class CrlEntrance {
  constructor(private readonly options: CrlEntranceOptions) {}

  /** @throws Problem `config-invalid`: the address cannot be bound */
  async open(): Promise<void> {
    const { address, hierarchy, crls } = this.options;
    const source: SecuritySource = {
      group: 'pki.public',
      address,
      read: async () => ({ level: 'plain', security: { clientCertificate: 'none' }, warnings: [] }),
    };
    const handler = { http: crlHandler({ hierarchy, crls }) };
    await this.options.entrances.open({ name: entrances['pki.public'].name, source, handler, limits: crlLimits });
  }
}
