import { Module, type Provider } from '@nestjs/common';
import { AuditCheckpoints, AuditController } from '@sallyport/audit';
import { adminEntrance, EntranceModule, Entrances } from '@sallyport/entrance';
import { RpcClient } from '@sallyport/mqtt';
import { ConnectedContext, ServiceContext } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import { JournalController } from './audit/journal.controller.js';
import { AuthorityController } from './authority/authority.controller.js';
import { TrustBundleResponder } from './authority/trust-bundle.responder.js';
import { CrlEntrance } from './crl/crl-entrance.js';
import { EnrolmentController } from './enrolment/enrolment.controller.js';
import { EstEntrance } from './est/est-entrance.js';
import { estHandler } from './est/est-handler.js';
import { coapEstHandler } from './est-coap/coap-est-handler.js';
import { IdentityRevocationResponder } from './inventory/identity-revocation.responder.js';
import { InventoryController } from './inventory/inventory.controller.js';
import { RegistryGate } from './issuance/registry-gate.js';
import { ServerCertificateResponder } from './server-certificate/server-certificate.responder.js';
import { openSigner, type Signer, signerParts } from './signer.js';
import { SignerLifecycle } from './signer-lifecycle.js';
import { addSignerReadiness } from './signer-readiness.js';
import { coapEstAddress, estAddress, publicAddress, signerSettings } from './signer-settings.js';
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
    const { clock, log } = context;
    const { hierarchy, serverCertificate } = opened;
    const handler = { http: estHandler({ ...opened, log }) };
    const address = () => estAddress(context.settings);
    return new EstEntrance({ entrances, group: 'pki', handler, address, hierarchy, serverCertificate, clock });
  },
};

/** The token of the entrance to EST over CoAP. */
const coapEst = Symbol('EST over CoAP');

const coapEstEntrance: Provider = {
  provide: coapEst,
  inject: [ServiceContext, Entrances, signer],
  useFactory: (context: ServiceContext, entrances: Entrances, opened: Signer) => {
    const { clock, log } = context;
    const { hierarchy, serverCertificate } = opened;
    const handler = coapEstHandler({ ...opened, log });
    const address = () => coapEstAddress(context.settings);
    return new EstEntrance({ entrances, group: 'pki.coap', handler, address, hierarchy, serverCertificate, clock });
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
  inject: [ConnectedContext, signer, EstEntrance, coapEst, CrlEntrance],
  useFactory: (
    context: ConnectedContext,
    opened: Signer,
    est: EstEntrance,
    overCoap: EstEntrance,
    crls: CrlEntrance,
  ) => {
    const { mqtt, clock, log, readiness } = context;
    const enrolment = [est, overCoap];
    addSignerReadiness(readiness, { hierarchy: opened.hierarchy, enrolment, clock });
    return new SignerLifecycle({ signer: opened, enrolment, crlEntrance: crls, mqtt, clock, log });
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
    JournalController,
    ServerCertificateResponder,
    SiteResponder,
    TrustBundleResponder,
  ],
  providers: [
    openedSigner,
    ...parts,
    AuditCheckpoints,
    estEntrance,
    coapEstEntrance,
    crlEntrance,
    lifecycle,
    adminEntrance({ group: 'pki.admin', command: 'sallyport ca' }),
  ],
})
export class PkiSignerModule {}
