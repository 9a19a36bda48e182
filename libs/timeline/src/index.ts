export { newestFirst, Timeline } from './timeline.js';
