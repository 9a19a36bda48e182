import { Module, type Provider } from '@nestjs/common';
import { AuditLog } from '@sallyport/audit';
import { EntranceModule } from '@sallyport/entrance';
import { RpcClient } from '@sallyport/mqtt';
import { ServiceContext } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import { AuditController } from './audit/audit.controller.js';
import { AuthorityController } from './authority/authority.controller.js';
import { AuthorityImporter } from './authority/authority-import.js';
import { Hierarchy } from './authority/hierarchy.js';
import { Rotation } from './authority/rotation.js';
import { TrustBundleResponder } from './authority/trust-bundle.responder.js';
import { EnrolmentController } from './enrolment/enrolment.controller.js';
import { OneTimeTokens } from './enrolment/one-time-tokens.js';
import { InventoryController } from './inventory/inventory.controller.js';
import { Inventory } from './inventory/inventory.js';
import { Revocation } from './inventory/revocation.js';
import { AdminSigning } from './issuance/admin-signing.js';
import { RegistryGate } from './issuance/registry-gate.js';
import { OpenedSigner } from './opened-signer.js';
import { openSigner, type Signer } from './signer.js';
import { SignerLifecycle } from './signer-lifecycle.js';
import { signerSettings } from './signer-settings.js';
import { KeyStore } from './signing-key/signing-key.js';
import { SiteResponder } from './site/site.responder.js';

const openedSigner: Provider = {
  provide: OpenedSigner,
  inject: [ServiceContext, Store, RpcClient],
  useFactory: async (context: ServiceContext, store: Store, rpc: RpcClient) => {
    const { clock, log, metrics, settings } = context;
    const registry = RegistryGate.over(rpc);
    const options = { store, clock, log, metricsRegistry: metrics, registry, settings: signerSettings(settings) };
    return new OpenedSigner(await openSigner(options));
  },
};

/** What controllers ask for, by class. */
const parts: Provider[] = [
  part(Hierarchy, ({ hierarchy }) => hierarchy),
  part(Rotation, ({ rotation }) => rotation),
  part(AuthorityImporter, ({ importer }) => importer),
  part(KeyStore, ({ keys }) => keys),
  part(AuditLog, ({ audit }) => audit),
  part(OneTimeTokens, ({ tokens }) => tokens),
  part(Inventory, ({ inventory }) => inventory),
  part(Revocation, ({ revocation }) => revocation),
  part(AdminSigning, ({ adminSigning }) => adminSigning),
];

/** Wiring of the signer; no decisions. */
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
  providers: [openedSigner, ...parts, SignerLifecycle],
})
export class PkiSignerModule {}

function part(token: abstract new (...args: never[]) => object, select: (signer: Signer) => object): Provider {
  return { provide: token, useFactory: ({ signer }: OpenedSigner) => select(signer), inject: [OpenedSigner] };
}
