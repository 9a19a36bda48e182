import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { AuditLog } from '@sallyport/audit';
import { EntranceModule } from '@sallyport/entrance';
import type { ServiceContext } from '@sallyport/runtime';
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

/** Wiring of the signer; no decisions. */
@Module({})
export class PkiSignerModule {
  static forContext(context: ServiceContext): DynamicModule {
    return {
      module: PkiSignerModule,
      imports: [EntranceModule],
      controllers: [
        AuditController,
        AuthorityController,
        EnrolmentController,
        InventoryController,
        SiteResponder,
        TrustBundleResponder,
      ],
      providers: [{ provide: OpenedSigner, useFactory: () => open(context) }, ...parts, SignerLifecycle],
    };
  }
}

async function open(context: ServiceContext): Promise<OpenedSigner> {
  const { store, clock, log, metrics, rpc, settings } = context;
  const signer = await openSigner({
    store,
    clock,
    log,
    metricsRegistry: metrics,
    registry: RegistryGate.over(rpc),
    settings: signerSettings(settings),
  });
  return new OpenedSigner(signer);
}

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

function part(token: abstract new (...args: never[]) => object, select: (signer: Signer) => object): Provider {
  return { provide: token, useFactory: ({ signer }: OpenedSigner) => select(signer), inject: [OpenedSigner] };
}
