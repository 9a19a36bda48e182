export { DeletedDevices } from './deleted-devices.js';
export { mergedPage, Timeline, withinMessage } from './timeline.js';
export { ValueEvents } from './value-events.js';
