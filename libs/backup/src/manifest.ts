import { siteId } from '@sallyport/protocol';
import { z } from 'zod';

/** Names of the first and the last entry of the archive. */
export const manifestName = 'manifest.json';
export const endName = 'end.json';

/** Which folder of the machine a part of the archive is. */
export const folderName = z.enum(['config', 'state', 'data']);
export type FolderName = z.infer<typeof folderName>;

/** Where the folders of a site are. */
export type Folders = Readonly<Record<FolderName, string>>;

/** The first entry of the archive. */
export const manifest = z.object({
  format: z.literal('sallyport-backup'),
  /** Larger when an older version cannot read it any more. */
  layout: z.literal(1),
  /** Of Sallyport. */
  version: z.string(),
  siteId,
  createdAt: z.iso.datetime(),
  host: z.string(),
  /** Where the folders were. Paths in the settings may begin with these. */
  folders: z.record(folderName, z.string()),
  store: z.enum(['sqlite', 'redis']),
  /** Whether the transferred files are in it. */
  hasFiles: z.boolean(),
  /** Files that settings name, and that are in none of the folders: `http.cert_path=/etc/ssl/gateway.pem`. */
  outside: z.array(z.string()),
});
export type Manifest = z.infer<typeof manifest>;

/** The last entry of the archive: what came before it. */
export const archiveEnd = z.object({ files: z.number(), storeRecords: z.number() });
export type ArchiveEnd = z.infer<typeof archiveEnd>;
