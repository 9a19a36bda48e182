export type { HistoryOptions } from './history.js';
export { twinLimits } from './limits.js';
export { defaultRetention, type RetentionBounds } from './retention.js';
export {
  type RecordOptions,
  Twin,
  type TwinOptions,
  type TwinRunOptions,
  type WaitOptions,
  type WriteOptions,
} from './twin.js';
export {
  type Alias,
  currentOf,
  type DeviceWrite,
  isUnsynced,
  type Micros,
  type Point,
  type Resource,
  type WriteSource,
} from './values.js';
