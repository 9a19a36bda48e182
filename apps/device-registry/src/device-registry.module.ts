import { Module } from '@nestjs/common';
import { EntranceModule } from '@sallyport/entrance';
import { AdmissionController } from './admission/admission.controller.js';
import { CertificateEvents } from './admission/certificate-events.js';
import { EnrolmentCheck } from './admission/enrolment-check.js';
import { IssuedCertificates } from './admission/issued-certificates.js';
import { PeerAdmission } from './admission/peer-admission.js';
import { RefusalLedger } from './admission/refusal-ledger.js';
import { RevokedCertificates } from './admission/revoked-certificates.js';
import { AuditController } from './audit/audit.controller.js';
import { AuditLog } from './audit/audit-log.js';
import { DeviceAnnouncements } from './devices/device-announcements.js';
import { DeviceLifecycle } from './devices/device-lifecycle.js';
import { DevicesController } from './devices/devices.controller.js';
import { Devices } from './devices/devices.js';
import { RemoteAdmin } from './remote-admin.js';
import { StatusController } from './status.controller.js';

/** Wiring of the device registry. */
@Module({
  imports: [EntranceModule],
  controllers: [AdmissionController, AuditController, DevicesController, StatusController],
  providers: [
    AuditLog,
    CertificateEvents,
    DeviceAnnouncements,
    DeviceLifecycle,
    Devices,
    EnrolmentCheck,
    IssuedCertificates,
    PeerAdmission,
    RefusalLedger,
    RemoteAdmin,
    RevokedCertificates,
  ],
})
export class DeviceRegistryModule {}
