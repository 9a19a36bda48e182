export { type Answer, sendAnswer } from './answer.js';
export { type BasicCredentials, basicCredentials, loginOf } from './basic-credentials.js';
export { type RangeSelection, selectRange } from './byte-range.js';
export { type DiscardBounds, discardBody } from './discard-body.js';
export { entityTagsIn, namesEntityTag, type TagComparison } from './entity-tag.js';
export { freeMemory } from './free-memory.js';
export { isOwnHost, mayPageAsk, type PageRequest } from './page-host.js';
