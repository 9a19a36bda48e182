import { Module, type Provider } from '@nestjs/common';
import { AuditCheckpoints, AuditController } from '@sallyport/audit';
import { adminEntrance, EntranceModule, Entrances } from '@sallyport/entrance';
import { RpcClient } from '@sallyport/mqtt';
import { ConnectedContext, ServiceContext } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import { AuthorityController } from './authority/authority.controller.js';
import { TrustBundleResponder } from './authority/trust-bundle.responder.js';
import { CrlEntrance } from './crl/crl-entrance.js';
import { EnrolmentController } from './enrolment/enrolment.controller.js';
import { EstEntrance } from './est/est-entrance.js';
import { IdentityRevocationResponder } from './inventory/identity-revocation.responder.js';
import { InventoryController } from './inventory/inventory.controller.js';
import { RegistryGate } from './issuance/registry-gate.js';
import { ServerCertificateResponder } from './server-certificate/server-certificate.responder.js';
import { openSigner, type Signer, signerParts } from './signer.js';
import { SignerLifecycle } from './signer-lifecycle.js';
import { addSignerReadiness } from './signer-readiness.js';
import { estAddress, publicAddress, signerSettings } from './signer-settings.js';
import { SiteResponder } from './site/site.responder.js';

/** The token of what `openSigner` returns. */
const signer = Symbol('signer');

const openedSigner: Provider = {
  provide: signer,
  inject: [ServiceContext, Store, RpcClient],
  useFactory: ({ clock, log, metrics, settings }: ServiceContext, store: Store, rpc: RpcClient) =>
    openSigner({
      store,
      clock,
      log,
      metricsRegistry: metrics,
      registry: RegistryGate.over(rpc),
      settings: signerSettings(settings),
    }),
};

/** Every part of the signer, for the controllers and message handlers that ask for its class. */
const parts = Object.entries(signerParts).map(
  ([name, provide]): Provider => ({
    provide,
    inject: [signer],
    useFactory: (opened: Readonly<Record<string, object>>) => opened[name],
  }),
);

const estEntrance: Provider = {
  provide: EstEntrance,
  inject: [ServiceContext, Entrances, signer],
  useFactory: (context: ServiceContext, entrances: Entrances, opened: Signer) => {
    const { serverCertificate, hierarchy, enrolment, renewal, metrics } = opened;
    const { clock, log } = context;
    const address = () => estAddress(context.settings);
    return new EstEntrance({
      entrances,
      address,
      serverCertificate,
      hierarchy,
      enrolment,
      renewal,
      metrics,
      clock,
      log,
    });
  },
};

const crlEntrance: Provider = {
  provide: CrlEntrance,
  inject: [ServiceContext, Entrances, signer],
  useFactory: (context: ServiceContext, entrances: Entrances, { hierarchy, crls }: Signer) =>
    new CrlEntrance({ entrances, address: () => publicAddress(context.settings), hierarchy, crls }),
};

const lifecycle: Provider = {
  provide: SignerLifecycle,
  inject: [ConnectedContext, signer, EstEntrance, CrlEntrance],
  useFactory: (context: ConnectedContext, opened: Signer, est: EstEntrance, crls: CrlEntrance) => {
    const { mqtt, clock, log, readiness } = context;
    addSignerReadiness(readiness, { hierarchy: opened.hierarchy, est, clock });
    return new SignerLifecycle({ signer: opened, est, crlEntrance: crls, mqtt, clock, log });
  },
};

/** Wiring of the signer, without decisions. */
@Module({
  imports: [EntranceModule],
  controllers: [
    AuditController,
    AuthorityController,
    EnrolmentController,
    IdentityRevocationResponder,
    InventoryController,
    ServerCertificateResponder,
    SiteResponder,
    TrustBundleResponder,
  ],
  providers: [
    openedSigner,
    ...parts,
    AuditCheckpoints,
    estEntrance,
    crlEntrance,
    lifecycle,
    adminEntrance({ group: 'pki.admin', command: 'sallyport ca' }),
  ],
})
export class PkiSignerModule {}
