export { answers, type CloudAnswer, digestOf } from './answers.js';
export type { CloudApi } from './cloud-api.js';
export type { CloudBroker, CloudMessage, CloudUser } from './cloud-broker.js';
export { type FakeCloud, type FakeCloudOptions, fakeCloud, type ShownCertificate } from './fake-cloud.js';
export type { SeenRequest } from './seen-request.js';
export { TcpFront } from './tcp-front.js';
export type { CloudEvent, EventBinary, ManagedObject, Tenant } from './tenant.js';
