import { ConnectorsAtContact } from './connectors-at-contact.js';
import { ContactAdmission } from './contact-admission.js';
import { ContactRecords } from './contact-records.js';
import { ContactRefusals } from './contact-refusals.js';
import { DeviceCensus } from './device-census.js';
import { NewcomerLimits } from './newcomer-limits.js';
import { Newcomers } from './newcomers.js';
import { Provisioned } from './provisioned.js';
import { ProvisioningHook } from './provisioning-hook.js';
import { RefusedCertificates } from './refused-certificates.js';

/** The wiring of the contacts of devices with a connector, for the module of the registry. */
export const contactParts = {
  providers: [
    ConnectorsAtContact,
    ContactAdmission,
    ContactRecords,
    ContactRefusals,
    DeviceCensus,
    NewcomerLimits,
    Newcomers,
    Provisioned,
    ProvisioningHook,
    RefusedCertificates,
  ],
};
