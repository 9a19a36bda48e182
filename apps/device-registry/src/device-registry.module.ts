import { Module, type Provider } from '@nestjs/common';
import { AuditCheckpoints, AuditController, AuditLog, logLines } from '@sallyport/audit';
import { adminEntrance, EntranceModule } from '@sallyport/entrance';
import { ConnectedContext } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import { Timeline } from '@sallyport/timeline';
import { AdmissionController } from './admission/admission.controller.js';
import { CertificateEvents } from './admission/certificate-events.js';
import { EnrolmentCheck } from './admission/enrolment-check.js';
import { ForeignNewcomers } from './admission/foreign-newcomers.js';
import { IssuedCertificates } from './admission/issued-certificates.js';
import { PeerAdmission } from './admission/peer-admission.js';
import { RefusalRecorder } from './admission/refusal-recorder.js';
import { RevokedCertificates } from './admission/revoked-certificates.js';
import { TokenAdmission } from './admission/token-admission.js';
import { AllowedAddresses } from './allowed-addresses.js';
import { JournalController } from './audit/journal.controller.js';
import { openRegistryJournal } from './audit/registry-journal.js';
import { connectorParts } from './connectors/connector-parts.js';
import { contactParts } from './contact/contact-parts.js';
import { AllowListWatch } from './devices/allow-list-watch.js';
import { Authorities } from './devices/authorities.js';
import { AuthorityTakeover } from './devices/authority-takeover.js';
import { CertificateWatch } from './devices/certificate-watch.js';
import { DeviceAnnouncements } from './devices/device-announcements.js';
import { DeviceExport } from './devices/device-export.js';
import { DeviceImport } from './devices/device-import.js';
import { DeviceLifecycle, sentenceOf } from './devices/device-lifecycle.js';
import { DeviceListsController } from './devices/device-lists.controller.js';
import { DeviceLists } from './devices/device-lists.js';
import { DeviceQueries } from './devices/device-queries.js';
import { DeviceRemoval } from './devices/device-removal.js';
import { DeviceTagging } from './devices/device-tagging.js';
import { DevicesController } from './devices/devices.controller.js';
import { Devices } from './devices/devices.js';
import { FormerStateIndex } from './devices/former-state-index.js';
import { DeviceDirectory } from './devices/index/device-directory.js';
import { LastContacts } from './devices/last-contacts.js';
import { ListAdministration } from './devices/list-administration.js';
import { EntitiesController } from './entities/entities.controller.js';
import { Entities } from './entities/entities.js';
import { EntityChannel } from './entities/entity-channel.js';
import { EntityDocuments } from './entities/entity-documents.js';
import { EntityIntake } from './entities/entity-intake.js';
import { EntityPublications } from './entities/entity-publications.js';
import { EntityRegistrations } from './entities/entity-registrations.js';
import { MainDevice } from './entities/main-device.js';
import { EventStreams } from './events/event-streams.js';
import { EventsController } from './events/events.controller.js';
import { MergedTimeline } from './events/merged-timeline.js';
import { WebhookDelivery } from './events/webhook-delivery.js';
import { Webhooks } from './events/webhooks.js';
import { ownershipParts } from './ownership/ownership-parts.js';
import { RegistrySite } from './site/registry-site.js';
import { StatusController } from './status.controller.js';

/** Before it is there, what the store has forgotten is brought back. */
const auditLog: Provider = {
  provide: AuditLog,
  useFactory: async (context: ConnectedContext, store: Store) =>
    new AuditLog(store, context.clock, {
      journal: await openRegistryJournal(context, store),
      onWritten: logLines(context.log, sentenceOf),
    }),
  inject: [ConnectedContext, Store],
};

/** Opened before anything else can write. A registry that has lost its part of the store does not start. */
const registrySite: Provider = {
  provide: RegistrySite,
  useFactory: (context: ConnectedContext, store: Store, audit: AuditLog) => RegistrySite.open(context, store, audit),
  inject: [ConnectedContext, Store, AuditLog],
};

/** Wiring of the device registry. */
@Module({
  imports: [EntranceModule],
  controllers: [
    AdmissionController,
    AuditController,
    DeviceListsController,
    DevicesController,
    EntitiesController,
    EventsController,
    JournalController,
    ...ownershipParts.controllers,
    StatusController,
    ...connectorParts.controllers,
    ...contactParts.controllers,
  ],
  providers: [
    auditLog,
    AllowListWatch,
    AuditCheckpoints,
    Authorities,
    AuthorityTakeover,
    CertificateEvents,
    CertificateWatch,
    DeviceAnnouncements,
    DeviceLifecycle,
    DeviceLists,
    DeviceExport,
    DeviceImport,
    ListAdministration,
    DeviceDirectory,
    DeviceQueries,
    DeviceRemoval,
    DeviceTagging,
    FormerStateIndex,
    LastContacts,
    Devices,
    EnrolmentCheck,
    Entities,
    EntityChannel,
    EntityDocuments,
    EntityIntake,
    EntityPublications,
    EntityRegistrations,
    MainDevice,
    ForeignNewcomers,
    IssuedCertificates,
    PeerAdmission,
    RefusalRecorder,
    RevokedCertificates,
    TokenAdmission,
    registrySite,
    EventStreams,
    MergedTimeline,
    Timeline,
    AllowedAddresses,
    WebhookDelivery,
    Webhooks,
    ...ownershipParts.providers,
    ...connectorParts.providers,
    ...contactParts.providers,
    adminEntrance({ group: 'registry', command: 'sallyport device' }),
  ],
})
export class DeviceRegistryModule {}
