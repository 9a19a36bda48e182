export { Entrance, type EntranceOptions } from './entrance.js';
export { EntranceModule } from './entrance.module.js';
export { type ServiceCertificateFiles, serviceCertificateFiles } from './entrance-settings.js';
export { Entrances } from './entrances.js';
export { configuredSource, type SecurityInForce, type SecuritySource } from './security-source.js';
export { fetchTrustBundle } from './trust-bundle.js';
