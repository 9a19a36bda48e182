export { type FinishedFile, sweepTemporaryFiles, writeFileAtomic, writeFileOnce } from './atomic-file.js';
export { writeStreamAtomic } from './atomic-stream.js';
export { codeOrMessage, errorCode, hasCode, isAbsent } from './error-code.js';
export { FileWatch, type FileWatchOptions, type FileWatchTimes } from './file-watch.js';
export { type HeldRoom, holdRoom } from './held-room.js';
export { makeFolder } from './make-folder.js';
export { type FileReading, readOperatorFile } from './operator-file.js';
export { exists, namesIn, readTextIfPresent, removeIfPresent } from './present-files.js';
export { replaceTextFile } from './replace-text-file.js';
