import { Module, type Provider } from '@nestjs/common';
import { AuditController, AuditLog } from '@sallyport/audit';
import { adminEntrance, EntranceModule, Entrances } from '@sallyport/entrance';
import { RpcClient } from '@sallyport/mqtt';
import { ConnectedContext, ServiceContext } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import { AuthorityController } from './authority/authority.controller.js';
import { AuthorityImporter } from './authority/authority-import.js';
import { Hierarchy } from './authority/hierarchy.js';
import { Rotation } from './authority/rotation.js';
import { TrustBundleResponder } from './authority/trust-bundle.responder.js';
import { CrlEntrance } from './crl/crl-entrance.js';
import { EnrolmentController } from './enrolment/enrolment.controller.js';
import { OneTimeTokens } from './enrolment/one-time-tokens.js';
import { EstEntrance } from './est/est-entrance.js';
import { InventoryController } from './inventory/inventory.controller.js';
import { Inventory } from './inventory/inventory.js';
import { Revocation } from './inventory/revocation.js';
import { AdminSigning } from './issuance/admin-signing.js';
import { RegistryGate } from './issuance/registry-gate.js';
import { openSigner, Signer } from './signer.js';
import { SignerLifecycle } from './signer-lifecycle.js';
import { addSignerReadiness } from './signer-readiness.js';
import { estAddress, publicAddress, signerSettings } from './signer-settings.js';
import { KeyStore } from './signing-key/signing-key.js';
import { SiteResponder } from './site/site.responder.js';

/** `openSigner` puts the signer together. Nest only hands it on. */
const signer: Provider = {
  provide: Signer,
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

const estEntrance: Provider = {
  provide: EstEntrance,
  inject: [ServiceContext, Entrances, Signer],
  useFactory: (context: ServiceContext, entrances: Entrances, opened: Signer) =>
    new EstEntrance({
      entrances,
      address: () => estAddress(context.settings),
      serverCertificate: opened.serverCertificate,
      hierarchy: opened.hierarchy,
      enrolment: opened.enrolment,
      renewal: opened.renewal,
      metrics: opened.metrics,
      clock: context.clock,
      log: context.log,
    }),
};

const crlEntrance: Provider = {
  provide: CrlEntrance,
  inject: [ServiceContext, Entrances, Signer],
  useFactory: (context: ServiceContext, entrances: Entrances, { hierarchy, crls }: Signer) =>
    new CrlEntrance({ entrances, address: () => publicAddress(context.settings), hierarchy, crls }),
};

const lifecycle: Provider = {
  provide: SignerLifecycle,
  inject: [ConnectedContext, Signer, EstEntrance, CrlEntrance],
  useFactory: (context: ConnectedContext, opened: Signer, est: EstEntrance, crls: CrlEntrance) => {
    const { mqtt, clock, log, readiness } = context;
    addSignerReadiness(readiness, { hierarchy: opened.hierarchy, est, clock });
    return new SignerLifecycle({ signer: opened, est, crlEntrance: crls, mqtt, clock, log });
  },
};

/** The parts that controllers and message handlers ask for, by class. */
const shownToControllers: Provider[] = [
  shown(Hierarchy, ({ hierarchy }) => hierarchy),
  shown(Rotation, ({ rotation }) => rotation),
  shown(AuthorityImporter, ({ importer }) => importer),
  shown(KeyStore, ({ keys }) => keys),
  shown(AuditLog, ({ audit }) => audit),
  shown(OneTimeTokens, ({ tokens }) => tokens),
  shown(Inventory, ({ inventory }) => inventory),
  shown(Revocation, ({ revocation }) => revocation),
  shown(AdminSigning, ({ adminSigning }) => adminSigning),
];

/** Wiring of the signer, without decisions. */
@Module({
  imports: [EntranceModule],
  controllers: [
    AuditController,
    AuthorityController,
    EnrolmentController,
    InventoryController,
    SiteResponder,
    TrustBundleResponder,
  ],
  providers: [
    signer,
    ...shownToControllers,
    estEntrance,
    crlEntrance,
    lifecycle,
    adminEntrance({ group: 'pki.admin', command: 'sallyport ca' }),
  ],
})
export class PkiSignerModule {}

function shown<Part extends object>(
  part: abstract new (...args: never[]) => Part,
  select: (signer: Signer) => Part,
): Provider {
  return { provide: part, useFactory: select, inject: [Signer] };
}
