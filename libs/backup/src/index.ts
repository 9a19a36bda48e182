export type { Key } from './archive-reader.js';
export type { Lock } from './archive-writer.js';
export { type BackupOptions, type BackupReport, makeBackup } from './backup.js';
export type { Manifest } from './manifest.js';
export { checkBackup, type RestoreOptions, type RestoreReport, restoreBackup } from './restore.js';
