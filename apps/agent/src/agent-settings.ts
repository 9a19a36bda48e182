import type { Settings } from '@sallyport/config';

/** What file transfer takes from the configuration at each reload. */
export interface FileTransferRules {
  /** Who may touch which file: every admitted client every file, or each device its own only. */
  readonly authorization: 'any' | 'own';
  /** Bytes of one file. */
  readonly maxUploadBytes: number;
  /** Bytes of everything that is stored. */
  readonly storageBytes: number;
  /** Files and folders. */
  readonly storageEntries: number;
  /** What one client may have of both, percent. */
  readonly storageSharePercent: number;
}

/** Reads them; what is unset is unlimited. */
export function fileTransferRules(settings: Settings): FileTransferRules {
  return {
    authorization: settings.require('http.authorization'),
    maxUploadBytes: settings.get('http.max_upload_size') ?? Number.POSITIVE_INFINITY,
    storageBytes: settings.get('http.storage_quota') ?? Number.POSITIVE_INFINITY,
    storageEntries: settings.require('http.storage_entries'),
    storageSharePercent: settings.require('http.storage_share'),
  };
}
