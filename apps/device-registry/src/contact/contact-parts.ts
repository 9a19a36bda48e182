import { ConnectorsAtContact } from './connectors-at-contact.js';
import { ContactAdmission } from './contact-admission.js';
import { ContactRecords } from './contact-records.js';
import { ContactRefusals } from './contact-refusals.js';
import { ContactsController } from './contacts.controller.js';
import { DeviceSecrets } from './device-secrets.js';
import { ExpectedCertificates } from './expected-certificates.js';
import { NewcomerLimits } from './newcomer-limits.js';
import { Newcomers } from './newcomers.js';
import { Provisioned } from './provisioned.js';
import { ProvisioningHook } from './provisioning-hook.js';
import { RefusedCertificates } from './refused-certificates.js';
import { SecretAdmission } from './secret-admission.js';
import { SecretChanges } from './secret-changes.js';
import { WrongAttempts } from './wrong-attempts.js';

/** The wiring of the contacts of devices with a connector, for the module of the registry. */
export const contactParts = {
  controllers: [ContactsController],
  providers: [
    ConnectorsAtContact,
    ContactAdmission,
    ContactRecords,
    ContactRefusals,
    SecretChanges,
    DeviceSecrets,
    ExpectedCertificates,
    NewcomerLimits,
    Newcomers,
    Provisioned,
    ProvisioningHook,
    RefusedCertificates,
    SecretAdmission,
    WrongAttempts,
  ],
};
