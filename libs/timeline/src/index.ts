export { mergedPage, Timeline, withinMessage } from './timeline.js';
