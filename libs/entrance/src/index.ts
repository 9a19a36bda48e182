export { Actor, actorOf } from './admin-actor.js';
export { adminEntrance } from './admin-entrance.js';
export { AnnouncedChanges } from './announced-changes.js';
export type { Entrance, EntranceOptions } from './entrance.js';
export { EntranceModule } from './entrance.module.js';
export { Entrances } from './entrances.js';
export { contactDeadlineMs, isFresh, mostRemembered, noAnswer, registryDeadlineMs } from './registry-answers.js';
export type { SecurityInForce, SecuritySource } from './security-source.js';
export { fetchTrustBundle } from './trust-bundle.js';
